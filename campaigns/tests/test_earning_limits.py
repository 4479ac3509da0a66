"""Limits come last, cut what was asked, and say so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.earning.evaluate import evaluate
from campaigns.earning.results import LimitKey, LimitUse, Used
from campaigns.earning.rules import Campaign, CompiledRule, limit_keys

from .earning_examples import BASE, MEMBER, event, fixed, line, multiply, purchase, rate, rule

DAY_KEY = LimitKey("rule", "plus", "member", "m-1", "day", "2026-03-01", "points")
BUDGET_KEY = LimitKey("campaign", "spring", "program", "", "lifetime", "", "points")
SPRING = Campaign("spring", budget_points=100)


def plus(
    *limits: dict[str, Any], campaign: Campaign | None = None, points: int = 1
) -> CompiledRule:
    return rule("plus", rate(points), limits=list(limits), campaign=campaign)


def day(points: int | None = None, uses: int | None = None, per: str = "member") -> dict[str, Any]:
    return {"per": per, "period": "day", "points": points, "uses": uses}


@pytest.mark.parametrize(
    ("_case", "used", "granted", "capped_by"),
    [
        ("below the limit", 0, 60, None),
        ("exactly up to the limit", 40, 60, None),
        ("cut", 70, 30, "member_day"),
        ("used up: a row of zero stays", 100, 0, "member_day"),
        ("a limit that was lowered meanwhile", 130, 0, "member_day"),
    ],
)
def test_a_limit_of_points_cuts_the_award(
    _case: str, used: int, granted: int, capped_by: str | None
) -> None:
    counters = {DAY_KEY: Used(points=used)}

    (award,) = evaluate([plus(day(100))], purchase(line("60.00")), MEMBER, counters).awards

    assert (award.requested, award.points, award.capped_by) == (60, granted, capped_by)
    assert award.limit_uses == ((LimitUse(DAY_KEY, granted, 0),) if granted else ())
    assert award.attribution == (granted,)


def test_a_cut_award_names_the_limit_in_its_sentence() -> None:
    (award,) = evaluate([plus(day(10))], purchase(line("60.00")), MEMBER, {}).awards

    assert award.text == (
        "1 point per 1.00 on 60.00, rounded down; at most 10 points a day per member"
    )


def test_a_limit_of_uses_lets_the_last_use_through_and_no_more() -> None:
    key = DAY_KEY._replace(currency="")
    limited = plus(day(uses=2))

    (last,) = evaluate([limited], purchase(line("5.00")), MEMBER, {key: Used(uses=1)}).awards
    (over,) = evaluate([limited], purchase(line("5.00")), MEMBER, {key: Used(uses=2)}).awards

    assert (last.points, last.limit_uses) == (5, (LimitUse(key, 0, 1),))
    assert (over.points, over.capped_by, over.limit_uses) == (0, "member_day", ())


def test_a_rule_that_gives_two_currencies_is_used_once() -> None:
    both = rule("plus", rate(), rate(currency="status"), limits=[day(points=3, uses=1)])

    points, status = evaluate([both], purchase(line("5.00")), MEMBER, {}).awards

    assert (points.points, status.points) == (3, 3)
    assert points.limit_uses == (
        LimitUse(DAY_KEY._replace(currency=""), 0, 1),
        LimitUse(DAY_KEY, 3, 0),
    )
    assert status.limit_uses == (LimitUse(DAY_KEY._replace(currency="status"), 3, 0),)


def test_limits_do_not_change_the_base_that_is_multiplied() -> None:
    rules = [plus(day(4)), rule("x2", multiply("2"))]

    evaluation = evaluate(rules, purchase(line("10.00")), MEMBER, {})

    assert [(a.rule_code, a.points) for a in evaluation.awards] == [("plus", 4), ("x2", 10)]


def test_the_smallest_of_several_limits_is_named() -> None:
    limits = (day(50), {"per": "program", "period": "month", "points": 20})

    (award,) = evaluate([plus(*limits)], purchase(line("60.00")), MEMBER, {}).awards

    assert (award.points, award.capped_by) == (20, "program_month")
    assert [use.points for use in award.limit_uses] == [20, 20]


def test_rules_of_one_campaign_share_its_budget_in_order() -> None:
    first = rule("first", rate(), campaign=SPRING)
    second = rule("second", rate(), campaign=SPRING)
    counters = {BUDGET_KEY: Used(points=30)}

    evaluation = evaluate([first, second], purchase(line("50.00")), MEMBER, counters)

    assert [(a.points, a.capped_by) for a in evaluation.awards] == [(50, None), (20, "budget")]
    assert evaluation.awards[1].limit_uses == (LimitUse(BUDGET_KEY, 20, 0),)
    assert evaluation.awards[1].text.endswith("; the campaign's budget is used up")


@pytest.mark.parametrize(
    ("_case", "period", "start"),
    [
        ("the program's day, not that of UTC", "day", "2026-07-01"),
        ("the week from Monday", "week", "2026-06-29"),
        ("the month", "month", "2026-07-01"),
        ("the year", "year", "2026-01-01"),
        ("for ever", "lifetime", ""),
    ],
)
def test_counters_are_keyed_by_the_program_local_period(
    _case: str, period: str, start: str
) -> None:
    bought = purchase(line("5.00"), at=datetime(2026, 6, 30, 23, 30, tzinfo=UTC))
    limited = plus({"per": "member", "period": period, "points": 9})

    (key,) = limit_keys([limited], bought, "m-1")

    assert key == LimitKey("rule", "plus", "member", "m-1", period, start, "points")


def test_the_keys_that_are_needed_are_named_once_with_the_budgets_last() -> None:
    limited = plus(day(5, per="store"), day(uses=1, per="device"), campaign=SPRING)
    bought = purchase(line("5.00"), store="lisbon-1", device="till-3")

    keys = limit_keys([limited, limited, BASE], bought, "m-1")

    assert keys == [
        LimitKey("rule", "plus", "device", "till-3", "day", "2026-03-01", ""),
        LimitKey("rule", "plus", "store", "lisbon-1", "day", "2026-03-01", "points"),
        BUDGET_KEY,
    ]
    assert limit_keys([limited], event("signup"), "m-1") == []


@given(
    nets=st.lists(st.integers(0, 90), min_size=1, max_size=12),
    allowed=st.integers(1, 120),
    budget=st.integers(0, 150),
)
def test_neither_limit_nor_budget_is_ever_passed(
    nets: list[int], allowed: int, budget: int
) -> None:
    campaign = Campaign("spring", budget_points=budget)
    rules = [
        plus(day(allowed), campaign=campaign),
        rule("extra", fixed(7), campaign=campaign),
    ]
    counters: dict[LimitKey, Used] = {}

    for net in nets:
        for award in evaluate(rules, purchase(line(str(net))), MEMBER, counters).awards:
            for use in award.limit_uses:
                before = counters.get(use.key, Used())
                counters[use.key] = Used(before.points + use.points, before.uses + use.uses)

    assert counters.get(DAY_KEY, Used()).points <= allowed
    assert counters.get(BUDGET_KEY, Used()).points == min(budget, _asked(nets, allowed))


def _asked(nets: list[int], allowed: int) -> int:
    return min(sum(nets), allowed) + 7 * len(nets)
