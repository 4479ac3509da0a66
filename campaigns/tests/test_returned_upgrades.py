"""What a return does to the tier: nothing at once, or an upgrade of its own taken back."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

import pytest

from campaigns.tests.shop import (
    DAY,
    NOON,
    PROGRAM,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    program_file,
    refund,
    standings,
)
from members.models import Member, OutboxEvent, TierMembership

pytestmark = pytest.mark.django_db


def opened(days: int = 14) -> Member:
    """Open a shop that takes upgrades back for so many days, and enroll a member."""
    tiers = deepcopy(PROGRAM["tiers"])
    tiers["policy"]["undo_upgrade_days"] = days
    apply(program_file(tiers=tiers))
    return join()


def tiers_of(member: Member) -> list[str]:
    """Return the member's tiers as they count now, oldest first."""
    return [tier for tier, _ in standings(member)]


@pytest.mark.parametrize(
    ("_case", "days", "after", "left"),
    [
        ("within the days", 14, 13 * DAY, ["bronze"]),
        ("the last instant", 14, 14 * DAY - timedelta(microseconds=1), ["bronze"]),
        ("when they are over", 14, 14 * DAY, ["bronze", "silver"]),
        ("where the program does not say so", 0, DAY, ["bronze", "silver"]),
    ],
)
def test_an_upgrade_goes_back_with_the_order_that_caused_it(
    _case: str, days: int, after: timedelta, left: list[str]
) -> None:
    member = opened(days)
    body = basket(line(price="600.00"), at=NOON)
    buy(body, moment=NOON)
    assert tiers_of(member) == ["bronze", "silver"]

    bring_back(refund(body, at=NOON + after), moment=NOON + after)

    assert tiers_of(member) == left
    # Status points fall in any case.
    assert balances(member, "status") == {}
    assert differences() == []


@pytest.mark.parametrize(
    ("_case", "earlier", "quantity", "left"),
    [
        ("what is left still reaches the tier", "0.00", "1", ["bronze", "silver"]),
        ("what was there before reaches it with the rest", "100.00", "1", ["bronze", "silver"]),
        ("nothing of it is left", "100.00", "2", ["bronze"]),
    ],
)
def test_an_upgrade_stays_while_the_rest_reaches_it(
    _case: str, earlier: str, quantity: str, left: list[str]
) -> None:
    member = opened()
    buy(basket(line(price=earlier), at=NOON - DAY), moment=NOON - DAY)
    body = basket(line(price="500.00", quantity="2"), at=NOON)
    buy(body, moment=NOON)

    bring_back(refund(body, ("1", quantity), at=NOON + DAY), moment=NOON + DAY)

    assert tiers_of(member) == left


def test_a_tier_that_another_order_reached_stays() -> None:
    member = opened()
    first, second = (basket(line(price="600.00"), at=NOON + n * DAY) for n in (0, 1))
    buy(first, moment=NOON)
    buy(second, moment=NOON + DAY)

    bring_back(refund(second, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)
    assert tiers_of(member) == ["bronze", "silver"]
    buy(second | {"external_id": "again"}, moment=NOON + 2 * DAY)
    bring_back(refund(first, at=NOON + 3 * DAY), moment=NOON + 3 * DAY)

    # The first upgrade is taken back to where the second order reaches the tier by itself.
    assert standings(member)[1:] == [("silver", NOON + DAY)]
    assert differences() == []


def test_the_member_is_told_and_history_keeps_what_was_taken_back() -> None:
    opened()
    body = basket(line(price="600.00"), at=NOON)
    buy(body, moment=NOON)

    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    told = OutboxEvent.objects.filter(kind="tier_changed").order_by("pk")
    assert list(told.values_list("payload", flat=True)) == [
        {"before": "bronze", "after": "silver"},
        {"before": "silver", "after": "bronze"},
    ]
    gone = TierMembership.objects.get(tier__code="silver")
    assert gone.superseded_at == NOON + DAY


def test_points_that_were_earned_at_the_tier_stay() -> None:
    """Edge case 10: what was given is never valued anew by the tier of today."""
    member = opened()
    first = basket(line(price="2000.00"), at=NOON)
    buy(first, moment=NOON)
    second = basket(line(price="10.00"), at=NOON + DAY)
    assert buy(second, moment=NOON + DAY)["points"]["granted"] == 20

    bring_back(refund(first, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)

    assert tiers_of(member) == ["bronze"]
    assert balances(member) == {"available": 20}
    answer = bring_back(refund(second, at=NOON + 3 * DAY), moment=NOON + 3 * DAY)
    assert answer["points"]["clawed_back"] == 20
