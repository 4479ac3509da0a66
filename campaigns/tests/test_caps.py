"""Caps of the program: what all rules together may give one member in a day."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from campaigns.models import LimitCounter, Publication
from campaigns.programfile import ProgramFileError, parse, run_tests
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    CARD,
    DAY,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    claim,
    differences,
    join,
    line,
    program_file,
    refund,
    rule,
    send,
)
from demo.program_window import reference_day
from members.models import Member

pytestmark = pytest.mark.django_db

CUT = "cap_member_day"
CAP = {"per": "member", "period": "day", "currency": "points", "points": 5000}


def opened(*caps: dict[str, Any], **sections: Any) -> Member:
    """Open a shop with the caps and enroll its member."""
    apply(program_file(caps=list(caps) or [CAP], **sections))
    return join()


def row(answer: dict[str, Any], place: int = 0) -> tuple[int, int, str | None]:
    """Return what a row of the receipt asked for, got, and what capped it."""
    found = answer["receipt"][place]
    return found["requested"], found["points"], found["capped_by"]


def counted() -> list[tuple[str, str, str, int]]:
    """Return scope, period, first day and points of every counter."""
    rows = LimitCounter.objects.order_by("scope", "period", "period_start", "subject")
    return list(rows.values_list("scope", "period", "period_start", "points"))


@pytest.mark.parametrize(
    ("_case", "prices", "rows"),
    [
        ("below it", ["4999.00"], [(4999, 4999, None)]),
        ("exactly at it", ["5000.00"], [(5000, 5000, None)]),
        ("one above it", ["5001.00"], [(5001, 5000, CUT)]),
        ("the second cut", ["3000.00", "3000.00"], [(3000, 3000, None), (3000, 2000, CUT)]),
        ("used up: a row of zero stays", ["5000.00", "10.00"], [(5000, 5000, None), (10, 0, CUT)]),
    ],
)
def test_a_member_earns_no_more_in_a_day_than_the_cap(
    _case: str, prices: list[str], rows: list[tuple[int, int, str | None]]
) -> None:
    member = opened()

    answers = [buy(basket(line(price=price), at=NOON), moment=NOON) for price in prices]

    assert [row(answer) for answer in answers] == rows
    assert balances(member) == {"available": sum(granted for _, granted, _ in rows)}
    assert differences() == []


def test_all_rules_together_count_and_the_sentence_says_so() -> None:
    opened({**CAP, "points": 25}, rules=[BASE, rule("plus", 2), BASE_STATUS])

    answer = buy(basket(line(price="10.00"), at=NOON), moment=NOON)

    assert [row(answer, place) for place in (0, 1)] == [(10, 10, None), (20, 15, CUT)]
    assert answer["receipt"][1]["text"] == (
        "2 points per 1.00 on 10.00, rounded down; at most 25 points a day per member, "
        "from all rules together"
    )
    # Another currency has caps of its own, or none.
    assert [each["points"] for each in answer["other_awards"]] == [10]


def test_a_limit_of_the_rule_cuts_first_and_the_budget_last() -> None:
    limited = {**rule("plus", 1), "limits": [{"per": "member", "period": "day", "points": 80}]}
    campaign = {
        "code": "c",
        "name": "C",
        "status": "active",
        "budget_points": 30,
        "rules": [limited],
    }
    opened({**CAP, "points": 50}, rules=[BASE], campaigns=[campaign])

    answer = buy(basket(line(price="10.00"), at=NOON), moment=NOON)
    later = buy(basket(line(price="90.00"), at=NOON), moment=NOON)

    assert [row(answer, place) for place in (0, 1)] == [(10, 10, None), (10, 10, None)]
    assert [row(later, place) for place in (0, 1)] == [
        (90, 30, CUT),
        (90, 0, CUT),
    ]


@pytest.mark.parametrize(
    ("period", "days", "granted"),
    [
        ("day", (0, 0, 1), [60, 40, 60]),
        # Monday to Sunday; NOON is a Monday.
        ("week", (0, 6, 7), [60, 40, 60]),
        ("month", (0, 29, 30), [60, 40, 60]),
        ("lifetime", (0, 29, 300), [60, 40, 0]),
    ],
    ids=["day", "week", "month", "lifetime"],
)
def test_a_cap_counts_by_the_programs_calendar(
    period: str, days: tuple[int, ...], granted: list[int]
) -> None:
    opened({**CAP, "period": period, "points": 100})
    late = NOON + 301 * DAY

    answers = [buy(basket(line(price="60.00"), at=NOON + n * DAY), moment=late) for n in days]

    assert [answer["points"]["granted"] for answer in answers] == granted


def test_the_day_is_the_programs_local_day() -> None:
    opened({**CAP, "points": 100})
    # In July Lisbon is an hour ahead of UTC.
    evening = NOON.replace(month=7, day=1, hour=22, minute=59)

    answers = [
        buy(basket(line(price="80.00"), at=evening + timedelta(minutes=n)), moment=evening + DAY)
        for n in (0, 1, 2)
    ]

    assert [answer["points"]["granted"] for answer in answers] == [80, 80, 20]
    assert [each[2] for each in counted()] == ["2026-07-01", "2026-07-02"]


@pytest.mark.parametrize("per", ["store", "device"])
def test_a_cap_per_place_counts_everybody_there_and_nobody_elsewhere(per: str) -> None:
    opened({**CAP, "per": per, "points": 100})
    join("6011000002")
    baskets = [
        basket(line(price="70.00"), at=NOON, card=card, **{per: place})
        for card, place in ((CARD, "a"), ("6011000002", "a"), ("6011000002", "b"))
    ]

    answers = [buy(body, moment=NOON) for body in baskets]
    nowhere = buy(basket(line(price="170.00"), at=NOON), moment=NOON)

    assert [row(answer)[1] for answer in answers] == [70, 30, 70]
    assert row(answers[1])[2] == f"cap_{per}_day"
    # What names no place is held to no place's cap.
    assert row(nowhere) == (170, 170, None)


def test_returns_release_the_cap_of_the_purchases_own_day() -> None:
    member = opened({**CAP, "points": 100})
    body = basket(line(price="100.00", quantity="2"), at=NOON)
    buy(body, moment=NOON)

    bring_back(refund(body, ("1", "1"), at=NOON), moment=NOON + DAY)
    assert counted() == [("program", "day", "2026-03-02", 50)]
    again = buy(basket(line(price="80.00"), at=NOON), moment=NOON + DAY)
    bring_back(refund(body, at=NOON), moment=NOON + DAY)

    assert row(again) == (80, 50, CUT)
    assert counted() == [("program", "day", "2026-03-02", 50)]
    assert balances(member) == {"available": 50}


def test_events_and_claims_count_like_purchases() -> None:
    opened({**CAP, "points": 100})
    unknown = buy(basket(line(price="90.00"), card=None, at=NOON), moment=NOON)
    buy(basket(line(price="30.00"), at=NOON), moment=NOON)

    claimed = claim(unknown["id"], CARD, moment=NOON + DAY)

    assert row(claimed) == (90, 70, CUT)


def test_a_batch_gives_what_single_purchases_give() -> None:
    opened({**CAP, "points": 100})
    join("6011000002")
    bodies = [
        basket(line(price=price), at=NOON, card=card)
        for price, card in (
            ("60.00", CARD),
            ("60.00", "6011000002"),
            ("60.00", CARD),
            ("5.00", CARD),
        )
    ]

    assert [each.points for each in send(bodies, moment=NOON)] == [60, 60, 40, 0]


# Which program has caps ----------------------------------------------------------------------


def test_a_program_without_caps_counts_nothing() -> None:
    apply(program_file())
    join()

    answer = buy(basket(line(price="90000.00"), at=NOON), moment=NOON)

    assert row(answer) == (90000, 90000, None)
    assert counted() == []


def test_a_cap_holds_for_what_is_recorded_after_it_was_published() -> None:
    opened({**CAP, "points": 100})
    first = buy(basket(line(price="60.00"), at=NOON), moment=NOON)
    apply(program_file(caps=[{**CAP, "points": 50}]), NOON + timedelta(hours=1))

    late = buy(basket(line(price="90.00"), at=NOON), moment=NOON + DAY)
    next_day = buy(basket(line(price="90.00"), at=NOON + DAY), moment=NOON + DAY)

    # What happened before the change is held to the cap of that time.
    assert [row(answer)[1] for answer in (first, late, next_day)] == [60, 40, 50]
    assert list(Publication.objects.order_by("number").values_list("caps", flat=True)) == [
        [{**CAP, "points": 100}],
        [{**CAP, "points": 50}],
    ]


def test_a_new_program_begins_with_the_cap_of_five_thousand_a_day() -> None:
    out = StringIO()
    call_command("program", "new", stdout=out)
    document = parse(out.getvalue())

    assert [(cap.per, cap.period, cap.points) for cap in document.caps] == [("member", "day", 5000)]
    assert [each.report for each in run_tests(document) if not each.passed] == []


def test_the_demo_states_its_cap() -> None:
    text = Path("demo/program.yaml").read_text(encoding="utf-8")

    assert reference_day(text) is not None
    assert [(cap.per, cap.period, cap.points) for cap in parse(text).caps] == [
        ("member", "day", 5000)
    ]


@pytest.mark.parametrize(
    ("_case", "caps", "path"),
    [
        ("a currency that is not there", [{**CAP, "currency": "miles"}], "caps[0].currency"),
        ("none at all", [{**CAP, "points": 0}], "caps[0].points"),
        ("a counter that every till waits for", [{**CAP, "per": "program"}], "caps[0].per"),
        ("the same twice", [CAP, {**CAP, "points": 9}], "caps[1]"),
    ],
)
def test_a_cap_that_makes_no_sense_is_refused_by_its_path(
    _case: str, caps: list[dict[str, Any]], path: str
) -> None:
    with pytest.raises(ProgramFileError) as refused:
        apply(program_file(caps=caps))

    assert [problem.path for problem in refused.value.problems] == [path]
