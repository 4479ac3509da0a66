"""Goods come back whose points went to a pool: exactly what they gave is taken, once."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns.tests.shop import (
    CARD,
    DAY,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    negative_balances,
    program_file,
    refund,
    spend,
)
from members.models import Member, Pool
from members.services import ledger, merging, pool_ends, pool_points, pools
from members.services.merging import Wanted

pytestmark = pytest.mark.django_db

OTHER = "6011000002"
LATER = NOON + 3 * DAY
TERMS: dict[str, Any] = {"kind": "household", "share_pct": 40, "tenure_days": 0}


@pytest.fixture
def ana() -> Member:
    """Return the owner of a household to which 40 % of what she earns goes."""
    apply(program_file(pools=[TERMS]))
    member = join(CARD)
    pools.found(member_id=member.pk, kind="household", name="", actor="test", moment=NOON - DAY)
    return member


def bought(*lines: dict[str, Any], card: str = CARD) -> dict[str, Any]:
    body = basket(*lines, at=NOON, member={"identifier": card})
    buy(body, moment=NOON)
    return body


def share(member: Member) -> int:
    return pool_points.share_of_member(member_id=member.pk, moment=NOON)


def held(member: Member | None = None) -> tuple[int, int]:
    """Return what is available and owed, of a member or of the pool."""
    found = balances(member or Pool.objects.get().holder)
    return found.get("available", 0), found.get("debt", 0)


def spend_of_pool(points: int) -> None:
    spend(Pool.objects.get().holder, points, moment=NOON + DAY)


def sound() -> bool:
    return differences() == [] and negative_balances() == []


def test_a_return_takes_from_the_pool_what_the_purchase_gave_to_it(ana: Member) -> None:
    body = bought(line("1", "50.00"), line("2", "50.00"))
    assert share(ana) == 40
    assert (held(ana), held()) == ((60, 0), (40, 0))

    first = bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER)
    second = bring_back(refund(body, ("2", "1"), at=LATER), moment=LATER + DAY)

    assert (first["points"]["from_available"], second["points"]["from_available"]) == (50, 50)
    assert (held(ana), held()) == ((0, 0), (0, 0))
    assert sound()


def test_what_the_pool_spent_is_owed_by_who_earned_it(ana: Member) -> None:
    body = bought(line("1", "100.00"))
    share(ana)
    spend_of_pool(40)

    answer = bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER)

    assert (answer["points"]["from_available"], answer["points"]["to_debt"]) == (60, 40)
    assert (held(ana), held()) == ((0, -40), (0, 0))
    assert sound()


def test_points_of_others_in_the_pool_are_not_touched(ana: Member) -> None:
    body = bought(line("1", "100.00"))
    share(ana)
    other = join(OTHER)
    _row, code = pools.invite(member_id=ana.pk, role="adult", actor="test", moment=NOON)
    pools.join(member_id=other.pk, code=code, actor="test", moment=NOON)
    bought(line("1", "30.00"), card=OTHER)
    pool_points.contribute(member_id=other.pk, points=30, ref="1", actor="test", moment=NOON)
    spend_of_pool(40)

    bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER)

    assert (held(ana), held(other), held()) == ((0, -40), (0, 0), (30, 0))
    assert sound()


def test_points_in_the_pool_of_who_owes_are_taken_and_pay_no_debt_on_their_way(
    ana: Member,
) -> None:
    pools.set_share(member_id=ana.pk, share_pct=0, actor="test", moment=NOON - DAY)
    one, two = bought(line("1", "100.00")), bought(line("1", "50.00"))
    pool_points.contribute(member_id=ana.pk, points=100, ref="1", actor="test", moment=NOON)
    spend(ana, 50, moment=NOON + DAY)

    second = bring_back(refund(two, ("1", "1"), at=LATER), moment=LATER)
    owed = held(ana)
    first = bring_back(refund(one, ("1", "1"), at=LATER), moment=LATER + DAY)

    total = {
        name: first["points"][name] + second["points"][name]
        for name in ("from_available", "to_debt", "forgiven")
    }
    assert total == {"from_available": 100, "to_debt": 50, "forgiven": 0}
    assert owed[0] == 0
    assert (held(ana), held()) == ((0, -50), (0, 0))
    assert sound()


def test_what_expired_in_the_pool_makes_no_debt(ana: Member) -> None:
    body = bought(line("1", "100.00"))
    share(ana)
    holder = Pool.objects.get().holder_id
    ended = NOON + 400 * DAY
    ledger.settle_due(member_ids=[holder, ana.pk], moment=ended, recorded_at=ended, actor="test")

    answer = bring_back(refund(body, ("1", "1"), at=ended), moment=ended)

    assert answer["points"]["already_expired"] == 100
    assert (held(ana), held()) == ((0, 0), (0, 0))
    assert sound()


def test_a_return_after_leaving_finds_the_points_with_who_left(ana: Member) -> None:
    body = bought(line("1", "100.00"))
    share(ana)
    pool_ends.leave(member_id=ana.pk, actor="test", moment=NOON + DAY)
    assert held(ana) == (100, 0)

    answer = bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER)

    assert answer["points"]["from_available"] == 100
    assert held(ana) == (0, 0)
    assert sound()


def test_a_merged_members_purchase_is_taken_from_the_survivors_pool(ana: Member) -> None:
    other = join(OTHER)
    body = bought(line("1", "30.00"), card=OTHER)
    merging.merge(
        wanted=Wanted(survivor_id=ana.pk, merged_id=other.pk, reason="twice"),
        by=None,
        moment=NOON + DAY,
    )
    pool_points.contribute(member_id=ana.pk, points=30, ref="1", actor="test", moment=NOON + DAY)
    assert (held(ana), held()) == ((0, 0), (30, 0))

    answer = bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER)

    assert answer["points"]["from_available"] == 30
    assert (held(ana), held(other), held()) == ((0, 0), (0, 0), (0, 0))
    assert sound()
