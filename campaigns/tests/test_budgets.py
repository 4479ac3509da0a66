"""Limits and budgets of points, uses and money: cut, released and told of."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.utils import IntegrityError

from campaigns.earning.results import used_back
from campaigns.earning.sentences import limit_sentence
from campaigns.models import LimitCounter
from campaigns.programfile import ProgramFileError, canonical, live_definitions, parse
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    NOON,
    apply,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    program_file,
    refund,
)
from members.models import OutboxEvent
from members.services.delivery import deliver_due

TEN = {"attr": "purchase.coupon", "op": "contains", "value": "TEN"}


def fixed(points: int, currency: str = "points") -> dict[str, Any]:
    """Return an effect of some points."""
    return {"kind": "earn_fixed", "currency": currency, "points": points}


def plus(points: int = 10, **more: Any) -> dict[str, Any]:
    """Return a rule that gives some points for every purchase."""
    return {"code": "plus", "trigger": "purchase", "effects": [fixed(points)], **more}


def limit(per: str = "member", period: str = "lifetime", **figures: Any) -> dict[str, Any]:
    """Return a limit of a rule."""
    return {"per": per, "period": period, **figures}


def campaign(*rules: dict[str, Any], **budget: Any) -> dict[str, Any]:
    """Return an active campaign of these rules."""
    return {
        "code": "spring",
        "name": "Spring",
        "status": "active",
        "rules": list(rules) or [plus()],
        **budget,
    }


def shop(*rules: dict[str, Any], **budget: Any) -> None:
    """Open a shop whose only points are those of the rules, in a campaign where it has a budget."""
    if budget:
        apply(program_file(rules=[BASE_STATUS], campaigns=[campaign(*rules, **budget)]))
    else:
        apply(program_file(rules=[BASE_STATUS, *rules]))
    join()


def bought(**fields: Any) -> tuple[int, str | None]:
    """Return what a purchase is given and what cut it."""
    moment = max(fields.get("at", NOON), NOON)
    answer = buy(basket(**{"at": NOON, **fields}), moment=moment)
    (row,) = answer["receipt"]
    return row["points"], row["capped_by"]


# Money ------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_limit_of_money_counts_what_the_points_are_worth() -> None:
    # A point is worth 0.01.
    shop(plus(40, limits=[limit(money="1.00")]))

    assert [bought() for _ in range(4)] == [
        (40, None),
        (40, None),
        (20, "member_lifetime"),
        (0, "member_lifetime"),
    ]
    (counter,) = LimitCounter.objects.all()
    assert (counter.currency, counter.points) == ("$", 10_000)


@pytest.mark.django_db
def test_a_budget_of_money_holds_over_all_rules_and_currencies() -> None:
    miles = {"code": "miles", "kind": "redeemable", "value": "0.05"}
    document = program_file(
        rules=[BASE_STATUS],
        campaigns=[
            campaign(
                plus(40),
                {"code": "fly", "trigger": "purchase", "effects": [fixed(20, "miles")]},
                # Status is worth no money, and costs none.
                {"code": "up", "trigger": "purchase", "effects": [fixed(7, "status")]},
                budget_money="2.12",
            )
        ],
    )
    apply({**document, "points": [*document["points"], miles]})
    join()

    answers = [buy(basket(at=NOON), moment=NOON) for _ in range(2)]

    given = [
        {row["rule"]["code"]: (row["points"], row["capped_by"]) for row in rows}
        for rows in ([*each["receipt"], *each["other_awards"]] for each in answers)
    ]
    # 0.40 + 1.00, then 0.40 and of 0.32 that are left 6 miles for 0.30.
    assert [each["plus"] for each in given] == [(40, None), (40, None)]
    assert [each["fly"] for each in given] == [(20, None), (6, "budget")]
    assert [each["up"] for each in given] == [(7, None), (7, None)]
    counter = LimitCounter.objects.get(currency="$")
    assert (counter.points, counter.points_limit, counter.bound) == (21_000, 21_200, 21_200)


@pytest.mark.parametrize(
    ("used", "given", "back", "expected"),
    [(40, 40, 15, 15), (400, 40, 15, 150), (0, 40, 15, 0), (0, 0, 0, 0)],
)
def test_a_counter_of_money_gets_back_the_worth_of_each_point(
    used: int, given: int, back: int, expected: int
) -> None:
    assert used_back(used, given, back) == expected


@pytest.mark.django_db
def test_a_return_gives_money_and_uses_back_to_limit_and_budget() -> None:
    """Edge cases 9 and 43: also what needs no code is released, in any split."""
    shop(plus(40, limits=[limit(money="0.50", uses=1)]), budget_money="9.00", budget_uses=1)
    body = basket(line("1", "10.00"), line("2", "30.00"), at=NOON)
    buy(body, moment=NOON)
    assert bought() == (0, "member_lifetime")

    bring_back(refund(body, ("2", "1"), at=NOON), moment=NOON + DAY)
    # 30 points are back, the use is not: what is left of the purchase still has it.
    assert LimitCounter.objects.get(scope="rule", currency="$").points == 1_000
    assert LimitCounter.objects.get(scope="rule", currency="").uses == 1
    bring_back(refund(body, ("1", "1"), at=NOON), moment=NOON + DAY)

    assert set(LimitCounter.objects.values_list("points", "uses")) == {(0, 0)}
    assert bought() == (40, None)
    assert differences() == []


# Uses and subjects ------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_budget_of_uses_counts_facts_and_not_rules() -> None:
    second = {"code": "more", "trigger": "purchase", "effects": [fixed(1)]}
    shop(plus(), second, budget_uses=2)

    answers = [buy(basket(at=NOON), moment=NOON)["receipt"] for _ in range(3)]

    given = [[(row["points"], row["capped_by"]) for row in rows] for rows in answers]
    assert given == [
        [(10, None), (1, None)],
        [(10, None), (1, None)],
        [(0, "budget"), (0, "budget")],
    ]
    assert LimitCounter.objects.get().uses == 2


@pytest.mark.django_db
def test_a_limit_per_code_counts_each_coupon_whoever_shows_it() -> None:
    either = {"attr": "purchase.coupon", "op": "in", "value": ["TEN", "ELF"]}
    shop(plus(when=either, limits=[limit("code", uses=2)]))
    join("6011000002")

    assert bought(coupons=["TEN"]) == (10, None)
    assert bought(coupons=["TEN"], card="6011000002") == (10, None)
    assert bought(coupons=["TEN"]) == (0, "code_lifetime")
    # Another of its codes is counted by itself; of two the first on the purchase.
    assert bought(coupons=["ELF", "TEN"]) == (10, None)
    assert sorted(LimitCounter.objects.values_list("subject", "uses")) == [("ELF", 1), ("TEN", 2)]


@pytest.mark.django_db
def test_a_coupon_that_is_used_up_says_so() -> None:
    shop(plus(when=TEN, limits=[limit("code", uses=1)]))
    buy(basket(at=NOON, coupons=["TEN"]), moment=NOON)

    answer = buy(basket(at=NOON, coupons=["TEN"]), moment=NOON)

    (refused,) = answer["not_applied"]
    assert (refused["reason"], refused["coupon"], refused["text"]) == (
        "coupon_not_usable",
        "TEN",
        "10 points; at most once in all per coupon",
    )


@pytest.mark.django_db
def test_a_long_coupon_is_counted_by_its_hash() -> None:
    code = "C" * 128
    shop(plus(when={**TEN, "value": code}, limits=[limit("code", uses=1)]))

    assert [bought(coupons=[code])[0] for _ in range(2)] == [10, 0]
    assert len(LimitCounter.objects.get().subject) == 64


@pytest.mark.django_db
def test_a_visit_earns_once_a_day_and_store() -> None:
    """The visit rule: one award for each day of the program's calendar and each store."""
    visit = plus(
        5,
        when={"attr": "purchase.net", "op": "gte", "value": "5.00"},
        limits=[limit("member_store", "day", uses=1)],
    )
    shop(visit)

    assert bought(store="north") == (5, None)
    assert bought(store="north", at=NOON + timedelta(hours=3)) == (0, "member_store_day")
    assert bought(store="south") == (5, None)
    # 23:30 in UTC is still the same day in Lisbon in winter; half an hour later is the next.
    assert bought(store="north", at=NOON + timedelta(hours=11, minutes=30))[0] == 0
    assert bought(store="north", at=NOON + timedelta(hours=12)) == (5, None)
    join("6011000002")
    assert bought(store="north", card="6011000002") == (5, None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("period", "days", "granted"),
    [
        ("day", 1, 10),
        # NOON is Monday 2 March 2026.
        ("week", 6, 0),
        ("week", 7, 10),
        ("month", 29, 0),
        ("month", 30, 10),
        ("year", 304, 0),
        ("year", 305, 10),
        ("lifetime", 400, 0),
    ],
)
def test_a_limit_begins_anew_with_each_period(period: str, days: int, granted: int) -> None:
    shop(plus(limits=[limit(period=period, uses=1)]))
    bought()

    assert bought(at=NOON + days * DAY)[0] == granted


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"uses": 1, "per": "code", "period": "lifetime"}, "at most once in all per coupon"),
        (
            {"uses": 1, "per": "member_store", "period": "day"},
            "at most once a day per member and store",
        ),
        (
            {"money": "50.00", "per": "member", "period": "month"},
            "at most points worth 50.00 a month per member",
        ),
    ],
)
def test_a_limit_is_told_as_a_sentence(body: dict[str, Any], words: str) -> None:
    assert limit_sentence(body) == words


# The program file -------------------------------------------------------------------------


def test_a_rule_without_limits_of_money_is_the_version_that_it_was() -> None:
    before = plus(limits=[limit(points=5)])

    definition = live_definitions(parse(json.dumps(program_file(rules=[before]))))[0]

    assert "worth" not in definition
    assert definition["limits"] == [limit(points=5, uses=None)]


def test_what_money_is_counted_by_is_kept_in_the_version() -> None:
    read = parse(json.dumps(program_file(campaigns=[campaign(budget_money="5", budget_uses=9)])))

    definition = live_definitions(read)[-1]

    assert definition["worth"] == {"points": "0.01"}
    assert canonical(read)["campaigns"][0]["budget_money"] == "5"
    assert {**definition["campaign"], "starts_at": None} == {
        "code": "spring",
        "starts_at": None,
        "ends_at": None,
        "budget_points": None,
        "budget_money": "5",
        "budget_uses": 9,
    }


@pytest.mark.parametrize(
    ("_case", "rule", "path"),
    [
        ("a limit of nothing", plus(limits=[limit()]), "rules[0].limits[0].points"),
        ("money below zero", plus(limits=[limit(money="-1")]), "rules[0].limits[0].money"),
        ("another subject", plus(limits=[limit("tribe", uses=1)]), "rules[0].limits[0].per"),
        ("no coupon to count", plus(limits=[limit("code", uses=1)]), "rules[0].limits[0].per"),
    ],
)
def test_a_wrong_limit_names_its_path(_case: str, rule: dict[str, Any], path: str) -> None:
    with pytest.raises(ProgramFileError) as refused:
        parse(json.dumps(program_file(rules=[rule, BASE_STATUS])))

    assert path in [each.path for each in refused.value.problems]


@pytest.mark.parametrize(
    ("_case", "sections", "path"),
    [
        (
            "a limit",
            {"rules": [plus(limits=[limit(money="5.00")])]},
            "rules[0].limits[0].money",
        ),
        ("a budget", {"campaigns": [campaign(budget_money="5.00")]}, "campaigns[0].budget_money"),
    ],
)
def test_money_bounds_no_points_whose_worth_nobody_knows(
    _case: str, sections: dict[str, Any], path: str
) -> None:
    with pytest.raises(ProgramFileError) as refused:
        parse(json.dumps(program_file({"value": None}, **sections)))

    assert [each.path for each in refused.value.problems] == [path]


# Told of in time --------------------------------------------------------------------------


def alerts() -> list[dict[str, Any]]:
    """Return what staff were told of budgets, in order."""
    rows = OutboxEvent.objects.filter(kind="budget_alert").order_by("pk")
    return list(rows.values_list("payload", flat=True))


def alert(percent: int, of: str, used: int, budget: int) -> dict[str, Any]:
    """Return one alert of the campaign."""
    return {"campaign": "spring", "percent": percent, "of": of, "used": used, "budget": budget}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (
            {"budget_points": 50},
            [alert(80, "points", 40, 50), alert(100, "points", 50, 50)],
        ),
        (
            {"budget_money": "0.50"},
            [alert(80, "money", 4_000, 5_000), alert(100, "money", 5_000, 5_000)],
        ),
        ({"budget_uses": 5}, [alert(80, "uses", 4, 5), alert(100, "uses", 5, 5)]),
        ({"budget_points": 10}, [alert(100, "points", 10, 10)]),
        ({"budget_points": 100}, []),
    ],
    ids=["points", "money", "uses", "at_once", "far_from_it"],
)
def test_staff_are_told_at_80_per_cent_and_at_the_end_once_each(
    budget: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    shop(**budget)

    for _ in range(6):
        buy(basket(at=NOON), moment=NOON)

    assert alerts() == expected


@pytest.mark.django_db
def test_a_budget_that_was_released_and_used_again_is_not_told_of_twice() -> None:
    shop(budget_points=10)
    body = basket(at=NOON)
    buy(body, moment=NOON)
    bring_back(refund(body, at=NOON), moment=NOON)

    assert bought() == (10, None)
    assert len(alerts()) == 1


@pytest.mark.django_db
def test_a_budget_that_was_raised_is_told_of_anew() -> None:
    shop(budget_points=10)
    bought()
    apply(program_file(rules=[BASE_STATUS], campaigns=[campaign(budget_points=20)]), NOON)

    assert bought(at=NOON + DAY) == (10, None)
    assert alerts() == [alert(100, "points", 10, 10), alert(100, "points", 20, 20)]


@pytest.mark.django_db
def test_a_limit_or_cap_tells_staff_nothing() -> None:
    cap = {"per": "member", "period": "day", "currency": "points", "points": 10}
    apply(program_file(rules=[BASE, plus(limits=[limit(points=10)])], caps=[cap]))
    join()

    buy(basket(at=NOON), moment=NOON)

    assert alerts() == []


@pytest.mark.django_db
def test_an_alert_is_delivered_without_a_member() -> None:
    shop(budget_points=10)
    bought()

    deliver_due(moment=NOON + DAY)

    event = OutboxEvent.objects.get(kind="budget_alert")
    assert (event.delivered_at, event.failure) == (NOON + DAY, "")


@pytest.mark.django_db
@pytest.mark.parametrize(("column", "name"), [("points", "within"), ("uses", "uses_within")])
def test_the_database_refuses_a_counter_above_its_budget(column: str, name: str) -> None:
    shop(budget_points=10, budget_uses=1)
    bought()

    with (
        pytest.raises(IntegrityError, match=f"campaigns_limitcounter_{name}"),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE campaigns_limitcounter SET {column} = 11 WHERE scope = 'campaign'")
