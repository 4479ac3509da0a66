"""Returns at moments of the past: any split, any order, whatever happened in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from campaigns.models import LimitCounter
from campaigns.services import returns
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    CARD,
    DAY,
    GOLD,
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
    negative_balances,
    program_file,
    refund,
    rule,
    send,
    spend,
    standings,
)
from members.models import LedgerEntry, Member, Return
from members.services import ledger

pytestmark = pytest.mark.django_db

FIGURES = ("from_pending", "from_available", "already_expired", "to_debt", "forgiven")


def opened(points: dict[str, Any] | None = None, **sections: Any) -> Member:
    """Open the shop and enroll its member."""
    apply(program_file(points, **sections))
    return join()


def taken(answer: dict[str, Any]) -> dict[str, int]:
    """Return the figures of a return that are not zero, without their sum."""
    points = answer["points"]
    assert points["clawed_back"] == sum(points[name] for name in FIGURES)
    return {name: points[name] for name in FIGURES if points[name]}


def test_a_line_that_earned_nothing_takes_nothing_back() -> None:
    member = opened(rules=[{**BASE, "lines": {"attr": "line.sku", "op": "eq", "value": "A"}}])
    body = basket(line("1", "70.00", sku="A"), line("2", "70.00", sku="B"), at=NOON)
    buy(body, moment=NOON)

    assert taken(bring_back(refund(body, ("2", "1"), at=NOON), moment=NOON)) == {}
    assert balances(member) == {"available": 70}


def test_a_part_takes_the_floor_and_the_last_part_the_rest() -> None:
    member = opened()
    body = basket(line(price="10.00", quantity="3"), line("2", "1.00"), at=NOON)
    buy(body, moment=NOON)

    amounts = [
        taken(bring_back(refund(body, ("1", "0.7"), at=NOON), moment=NOON)) for _ in range(4)
    ]
    rest = taken(bring_back(refund(body, at=NOON), moment=NOON))

    # 30 x 0.7 / 3 = 7 each; what is left of line 1 gives 2, line 2 gives 1.
    assert amounts == [{"from_available": 7}] * 4
    assert rest == {"from_available": 3}
    assert balances(member) == balances(member, "status") == {}


def test_what_the_rules_say_now_does_not_matter() -> None:
    member = opened()
    body = basket(line(price="100.00", quantity="2"), at=NOON)
    buy(body, moment=NOON)

    apply(program_file(rules=[{**BASE, "effects": [{**BASE["effects"][0], "points": 2}]}]), NOON)
    bring_back(refund(body, ("1", "1"), at=NOON), moment=NOON + DAY)
    apply(program_file(rules=[rule("other", 1)]), NOON + DAY)
    bring_back(refund(body, at=NOON), moment=NOON + 2 * DAY)

    assert balances(member) == {}
    assert differences() == []


def test_what_the_tier_is_now_does_not_matter_and_no_tier_is_lowered() -> None:
    member = opened(rules=[BASE, BASE_STATUS, GOLD])
    first = basket(line(price="2000.00"), at=NOON)
    second = basket(line(price="10.00"), at=NOON + DAY)
    buy(first, moment=NOON)
    buy(second, moment=NOON + DAY)

    bring_back(refund(first, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)
    answer = bring_back(refund(second, at=NOON + 3 * DAY), moment=NOON + 3 * DAY)

    assert taken(answer) == {"from_available": 20}
    assert balances(member) == balances(member, "status") == {}
    assert [tier for tier, _ in standings(member)] == ["bronze", "gold"]


def test_pending_points_are_taken_first() -> None:
    member = opened({"pending_days": 14})
    body = basket(at=NOON)
    buy(body, moment=NOON)

    answer = bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    assert taken(answer) == {"from_pending": 10}
    assert balances(member) == {}


def test_points_that_became_available_are_found_where_they_moved() -> None:
    member = opened({"pending_days": 14})
    body = basket(at=NOON)
    buy(body, moment=NOON)

    answer = bring_back(refund(body, at=NOON + DAY), moment=NOON + 20 * DAY)

    assert taken(answer) == {"from_available": 10}
    assert balances(member) == {}
    assert negative_balances() == []


@pytest.mark.parametrize(
    ("returns_policy", "expected", "left"),
    [
        ({"policy": "only_pending", "limit": 0}, {"forgiven": 100}, {"available": 30}),
        ({"policy": "within_balance", "limit": 0}, {"from_available": 30, "forgiven": 70}, {}),
        (
            {"policy": "into_debt", "limit": 50},
            {"from_available": 30, "to_debt": 50, "forgiven": 20},
            {"debt": -50},
        ),
        (
            {"policy": "into_debt", "limit": 100000},
            {"from_available": 30, "to_debt": 70},
            {"debt": -70},
        ),
    ],
    ids=["only_pending", "within_balance", "limit", "into_debt"],
)
def test_after_the_points_were_spent_the_policy_decides(
    returns_policy: dict[str, Any], expected: dict[str, int], left: dict[str, int]
) -> None:
    member = opened({"returns": {**returns_policy, "grace_days": 30}})
    body = basket(line(price="100.00"), at=NOON)
    buy(body, moment=NOON)
    buy(basket(line(price="30.00"), at=NOON), moment=NOON)
    spend(member, 100, moment=NOON + DAY)

    answer = bring_back(refund(body, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)

    assert taken(answer) == expected
    assert balances(member) == left
    assert differences() == []
    assert negative_balances() == []


def test_what_has_expired_counts_as_taken_back_and_makes_no_debt() -> None:
    member = opened({"expiry": {"model": "fixed_after", "days": 10}})
    body = basket(line(price="10.00", quantity="10"), at=NOON)
    buy(body, moment=NOON)
    spend(member, 40, moment=NOON + DAY)
    late = NOON + 30 * DAY

    first = bring_back(refund(body, ("1", "5"), at=late), moment=late)
    second = bring_back(refund(body, at=late), moment=late)

    assert taken(first) == {"already_expired": 50}
    assert taken(second) == {"already_expired": 10, "to_debt": 40}
    assert balances(member) == {"debt": -40}


def test_a_return_dated_before_its_purchase_counts_as_of_the_purchase() -> None:
    member = opened()
    body = basket(at=NOON)
    buy(body, moment=NOON)

    bring_back(refund(body, at=NOON - DAY), moment=NOON + DAY)

    clawback = LedgerEntry.objects.filter(account__member=member, points=-10).first()
    assert clawback is not None
    assert clawback.transaction.occurred_at == NOON
    assert negative_balances() == []


def test_a_return_is_dated_after_the_points_that_were_given_back() -> None:
    member = opened()
    body = basket(line(price="100.00"), at=NOON)
    buy(body, moment=NOON)
    redeemed = spend(member, 100, moment=NOON + 2 * DAY)
    ledger.give_back(
        original_id=redeemed,
        source="redemption",
        external_ref="cancelled",
        actor="test",
        occurred_at=NOON + 3 * DAY,
        recorded_at=NOON + 3 * DAY,
        reason_code="cancelled",
    )

    bring_back(refund(body, at=NOON + DAY), moment=NOON + 4 * DAY)

    assert balances(member) == {}
    assert negative_balances() == []


def test_points_that_paid_a_debt_make_a_debt_again_when_they_go_back() -> None:
    member = opened()
    first, second = (basket(line(price="50.00"), at=NOON + n * DAY) for n in (0, 3))
    buy(first, moment=NOON)
    spend(member, 50, moment=NOON + DAY)
    bring_back(refund(first, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)
    buy(second, moment=NOON + 3 * DAY)
    assert balances(member) == {}

    answer = bring_back(refund(second, at=NOON + 4 * DAY), moment=NOON + 4 * DAY)

    assert taken(answer) == {"to_debt": 50}
    assert balances(member) == {"debt": -50}


def test_a_late_purchase_never_pays_a_debt_before_it_was_made() -> None:
    member = opened()
    first = basket(line(price="50.00"), at=NOON)
    buy(first, moment=NOON)
    spend(member, 50, moment=NOON + DAY)
    bring_back(refund(first, at=NOON + 5 * DAY), moment=NOON + 5 * DAY)

    late = buy(basket(line(price="80.00"), at=NOON + 2 * DAY), moment=NOON + 6 * DAY)

    assert late["points"] == {"granted": 80, "available": 30, "pending": 0, "paid_debt": 50}
    assert balances(member) == {"available": 30}
    assert negative_balances() == []
    assert differences() == []


# Limits --------------------------------------------------------------------------------------


def test_returns_give_limits_and_budgets_back() -> None:
    limited = {
        **rule("plus", 3),
        "limits": [
            {"per": "member", "period": "day", "points": 50},
            {"per": "member", "period": "lifetime", "uses": 2},
        ],
    }
    campaign = {"code": "c", "name": "C", "status": "active", "budget_points": 80}
    opened(rules=[BASE], campaigns=[{**campaign, "rules": [limited]}])
    body = basket(line(price="10.00", quantity="2"), at=NOON)
    buy(body, moment=NOON)
    assert counters() == {("rule", "day"): (50, 0), ("rule", "lifetime"): (0, 1), BUDGET: (50, 0)}

    bring_back(refund(body, ("1", "1"), at=NOON), moment=NOON)
    assert counters() == {("rule", "day"): (25, 0), ("rule", "lifetime"): (0, 1), BUDGET: (25, 0)}

    bring_back(refund(body, at=NOON), moment=NOON)
    assert counters() == {("rule", "day"): (0, 0), ("rule", "lifetime"): (0, 0), BUDGET: (0, 0)}
    assert buy(basket(at=NOON), moment=NOON)["points"]["granted"] == 40


BUDGET = ("campaign", "lifetime")


def counters() -> dict[tuple[str, str], tuple[int, int]]:
    """Return points and uses of every counter by scope and period."""
    return {(row.scope, row.period): (row.points, row.uses) for row in LimitCounter.objects.all()}


# Parked --------------------------------------------------------------------------------------


def test_a_return_before_its_purchase_waits_and_is_applied_with_it() -> None:
    member = opened()
    body = basket(line(price="10.00", quantity="2"), at=NOON)

    parked = bring_back(refund(body, ("1", "1"), at=NOON), moment=NOON)
    posted = buy(body, moment=NOON + DAY)

    assert parked["state"] == "parked"
    assert "points" not in parked
    assert posted["points"]["granted"] == 20
    assert Return.objects.get().state == "applied"
    assert balances(member) == {"available": 10}
    assert buy(body, moment=NOON + DAY) == posted


def test_a_waiting_return_of_too_much_is_rejected_and_stops_no_other() -> None:
    member = opened()
    body = basket(line(price="10.00", quantity="2"), at=NOON)
    wanted = [("1", "3"), ("nothing", "1"), ("1", "1")]
    for part in wanted:
        bring_back(refund(body, part, at=NOON), moment=NOON)

    buy(body, moment=NOON + DAY)

    found = list(Return.objects.order_by("pk"))
    assert [each.state for each in found] == ["rejected", "rejected", "applied"]
    assert [each.problem and each.problem["code"] for each in found] == [
        "return_exceeds_purchase",
        "return_exceeds_purchase",
        None,
    ]
    assert balances(member) == {"available": 10}


def test_the_job_finds_what_was_left_waiting_and_a_repeat_finds_nothing() -> None:
    member = opened()
    body = basket(at=NOON)
    buy(body, moment=NOON)
    late = refund(body, at=NOON)
    # As a crash could leave it: parked, although its purchase is there.
    bring_back({**late, "purchase": {**late["purchase"], "external_id": "later"}}, moment=NOON)
    bring_back(refund({"source": "pos", "external_id": "never"}, at=NOON), moment=NOON)
    with transaction.atomic():
        buy({**body, "external_id": "later"}, moment=NOON)

    assert returns.retry_parked(moment=NOON + DAY) == 0
    assert balances(member) == {"available": 10}


def test_a_batch_applies_what_waits_between_its_rows() -> None:
    member = opened()
    bodies = [basket(at=NOON + timedelta(hours=n)) for n in range(5)]
    for each in (bodies[1], bodies[3]):
        bring_back(refund(each, at=NOON), moment=NOON)

    outcomes = send(bodies, moment=NOON + DAY)

    assert [each.points for each in outcomes] == [10] * 5
    assert balances(member) == {"available": 30}
    assert differences() == []


# Claims --------------------------------------------------------------------------------------


def test_lines_returned_before_a_claim_earn_nothing_and_lose_nothing_later() -> None:
    member = opened()
    body = basket(line(price="10.00", quantity="4"), card=None, at=NOON)
    posted = buy(body, moment=NOON)
    bring_back(refund(body, ("1", "1"), at=NOON), moment=NOON)

    claimed = claim(posted["id"], CARD, moment=NOON + DAY)
    part = bring_back(refund(body, ("1", "1"), at=NOON), moment=NOON + 2 * DAY)
    rest = bring_back(refund(body, at=NOON), moment=NOON + 3 * DAY)

    assert claimed["points"]["granted"] == 30
    assert [taken(part), taken(rest)] == [{"from_available": 10}, {"from_available": 20}]
    assert balances(member) == {}
