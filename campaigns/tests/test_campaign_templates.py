"""Each template: the campaign that its figures make, what it gives, and what it is thought to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from campaigns.campaign_templates import (
    BY_CODE,
    TEMPLATES,
    Usual,
    Wish,
    estimate,
    proposed_budget,
)
from campaigns.comparing import sentences
from campaigns.programfile import canonical, parse, run_tests
from campaigns.programfile.single import campaign_in, with_campaign
from campaigns.tests.test_programfile import CONTRACT

# A Tuesday.
START = datetime(2026, 9, 1, tzinfo=UTC)
WISH = Wish(
    code="new",
    name="New",
    locale="en",
    currency="points",
    starts_at=START,
    ends_at=START + timedelta(days=28),
    weekdays=("TU", "FR"),
    category="dairy",
    coupon="SPRING",
    days=30,
    more_days=90,
    day_of_month=2,
)
USUAL = Usual(
    days=28,
    purchases=1000,
    net=Decimal(20_000),
    rate=Decimal(1),
    by_hour={(2, 17): Decimal(300), (2, 18): Decimal(100), (3, 17): Decimal(900)},
    by_category={"dairy": Decimal(4000)},
    at_least=120,
    enrolled=30,
    members=730,
    away=50,
)


def program_with(code: str, wish: Wish = WISH) -> Any:
    live = canonical(parse(CONTRACT))
    return with_campaign(live, {**BY_CODE[code].body(wish), "status": "active"})


def given(code: str, at: str, **purchase: Any) -> int:
    """Return what a purchase of sixty euros of dairy gives, through the program's own tests."""
    document = program_with(code)
    bought = {
        "lines": [{"sku": "A", "category": "dairy", "quantity": 1, "unit_price": "60.00"}],
        **purchase,
    }
    case = {"name": "it", "at": at, "member": {}, "purchase": bought, "expect": {"points": 0}}
    whole = {**canonical(document), "tests": [case]}
    [outcome] = run_tests(with_campaign(whole, canonical(document)["campaigns"][-1]))
    return sum(each.points for each in outcome.evaluation.awards if each.currency == "points")


@pytest.mark.parametrize(
    ("_case", "sentence"),
    [
        ("double-points", ["Base points times 2."]),
        ("category-week", ["1 point per 1.00 on lines where the category is dairy."]),
        (
            "welcome",
            [
                "50 points when the number of earlier purchases is 0 and the number of days since"
                " enrollment is at most 30; at most once in all per member."
            ],
        ),
        ("birthday", ["50 points on the member's birthday; at most once a year per member."]),
        (
            "win-back",
            [
                "50 points when the number of days since the latest purchase is between 30 and 89;"
                " at most once a year per member.",
                "100 points when the number of days since the latest purchase is at least 90;"
                " at most once a year per member.",
            ],
        ),
        (
            "spend-threshold",
            [
                "50 points when the purchase's net amount is at least 50.00;"
                " at most once a day per member."
            ],
        ),
        (
            "category-coupon",
            [
                "1 point per 1.00 on lines where the category is dairy"
                " when the coupons include SPRING."
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_template_says_what_it_gives(_case: str, sentence: list[str]) -> None:
    assert sentences(BY_CODE[_case].body(WISH)) == sentence


@pytest.mark.parametrize("code", [each.code for each in TEMPLATES])
def test_every_template_makes_a_campaign_that_a_program_can_have(code: str) -> None:
    body = campaign_in(program_with(code), "new")

    assert (body["starts_at"][:10], body["ends_at"][:10]) == ("2026-09-01", "2026-09-29")
    assert all(rule["code"].startswith("new-") for rule in body["rules"])


@pytest.mark.parametrize(
    ("_case", "at", "more", "points"),
    [
        ("double-points", "2026-09-03T12:00", {}, 120),
        ("double-points", "2026-09-30T12:00", {}, 60),
        # A Tuesday, from 17:00 to 19:00.
        ("happy-hour", "2026-09-01T17:00", {}, 120),
        ("happy-hour", "2026-09-01T18:59", {}, 120),
        ("happy-hour", "2026-09-01T19:00", {}, 60),
        ("happy-hour", "2026-09-02T17:00", {}, 60),
        ("member-day", "2026-09-02T23:59", {}, 120),
        ("member-day", "2026-09-03T00:00", {}, 60),
        ("category-week", "2026-09-03T12:00", {}, 120),
        ("spend-threshold", "2026-09-03T12:00", {}, 110),
        ("category-coupon", "2026-09-03T12:00", {"coupons": ["SPRING"]}, 120),
        ("category-coupon", "2026-09-03T12:00", {"coupons": ["AUTUMN"]}, 60),
    ],
)
def test_a_template_gives_what_it_says(
    _case: str, at: str, more: dict[str, Any], points: int
) -> None:
    assert given(_case, at, **more) == points


@pytest.mark.parametrize(
    ("_case", "points"),
    [
        # The base points once more.
        ("double-points", 20_000),
        # Tuesday from five to seven.
        ("happy-hour", 400),
        # A thirtieth of the month.
        ("member-day", 667),
        ("category-week", 4000),
        ("welcome", 1500),
        # 730 members: two birthdays a day.
        ("birthday", 2800),
        ("win-back", 250),
        ("spend-threshold", 6000),
        ("category-coupon", 200),
    ],
)
def test_the_estimate_is_what_the_usual_sales_would_have_earned(_case: str, points: int) -> None:
    assert estimate(BY_CODE[_case], WISH, USUAL) == points


def test_half_the_time_gives_half_the_points() -> None:
    short = replace(WISH, ends_at=START + timedelta(days=14))

    assert estimate(BY_CODE["double-points"], short, USUAL) == 10_000


def test_a_part_of_an_hour_counts_in_part() -> None:
    wish = replace(WISH, from_time=time(17, 30), minutes=45)

    # Half of 300 and a quarter of 100.
    assert estimate(BY_CODE["happy-hour"], wish, USUAL) == 175


@pytest.mark.parametrize(
    ("points", "budget"), [(0, 500), (333, 500), (334, 510), (20_000, 30_000), (81_234, 130_000)]
)
def test_a_budget_has_room_and_is_round(points: int, budget: int) -> None:
    assert proposed_budget(points) == budget
