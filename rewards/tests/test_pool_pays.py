"""Rewards that a pool pays for: who may, whose points are taken, and where they go back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from members.models import LedgerAccount, LedgerTransaction, Member, Pool, Program
from members.services import jobs, pool_ends, pool_points, pools, reconciliation
from members.services.pool_points import NotInAPool, PoolRefused
from rewards.models import Redemption
from rewards.presenters import redemption_body
from rewards.queries.redemptions import codes_of
from rewards.services.holds import RELEASE_HOLDS
from rewards.services.quotes import quote
from rewards.services.refusals import InsufficientPoints
from rewards.tests.factories import (
    NOW,
    balances,
    cancel,
    capture,
    earn,
    make_member,
    make_program,
    make_reward,
    redeem,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
TERMS: dict[str, Any] = {
    "kind": "household",
    "members_max": 6,
    "share_pct": 0,
    "cap": None,
    "tenure_days": 0,
    "redeem": ["owner", "adult"],
}


@pytest.fixture
def ana(db: None) -> Member:
    """Return the owner of a pool that holds 200 points of hers."""
    program = make_program(pools={"household": TERMS})
    make_reward(program)
    points = program.currencies.get()
    LedgerAccount.objects.create(
        program=program, currency=points, currency_kind=points.kind, kind="moved"
    )
    member = make_member(program, first_name="Ana")
    earn(member, 200)
    pools.found(member_id=member.pk, kind="household", name="", actor="test", moment=NOW)
    pool_points.contribute(member_id=member.pk, points=200, ref="1", actor="test", moment=NOW)
    return member


def let_in(role: str = "adult") -> Member:
    pool = Pool.objects.get()
    member = make_member(Program.objects.get())
    owner = pool.memberships.get(role="owner")
    _row, code = pools.invite(member_id=owner.member_id, role=role, actor="test", moment=NOW)
    pools.join(member_id=member.pk, code=code, actor="test", moment=NOW)
    return member


def held() -> tuple[int, int, int, int]:
    return balances(Pool.objects.get().holder)


def differences() -> list[str]:
    found = [each.name for each in reconciliation.verify().findings if each.differences]
    return [name for name in found if name != "awards_are_posted"]


def test_an_adult_redeems_from_the_pool_and_has_the_code(ana: Member) -> None:
    bea = let_in()

    made = redeem(bea, with_pool=True)

    assert made.debit_id is not None
    paid = LedgerTransaction.objects.get(pk=made.debit_id)
    assert (paid.member_id, made.member_id) == (Pool.objects.get().holder_id, bea.pk)
    assert [each.pk for each in codes_of(member=bea)] == [made.pk]
    assert made.voucher.code
    assert redemption_body(made, moment=NOW)["pool"] is True
    assert (held(), balances(bea)) == ((50, 0, 0, 0), (0, 0, 0, 0))
    assert differences() == []


def test_ones_own_points_are_not_mixed_with_the_pools(ana: Member) -> None:
    bea = let_in()
    earn(bea, 100)

    with pytest.raises(InsufficientPoints) as alone:
        redeem(bea)
    redeem(bea, with_pool=True)
    with pytest.raises(InsufficientPoints) as together:
        redeem(bea, with_pool=True)

    assert (alone.value.figures["available"], together.value.figures["available"]) == (100, 50)
    assert balances(bea)[0] == 100


@pytest.mark.parametrize(
    ("_case", "role", "terms", "code"),
    [
        ("a child", "child", TERMS, "role_may_not_redeem"),
        (
            "an adult where owners only may",
            "adult",
            {**TERMS, "redeem": ["owner"]},
            "role_may_not_redeem",
        ),
        ("switched off", "adult", None, "pools_off"),
    ],
)
def test_who_may_not_redeem_takes_nothing(
    ana: Member, _case: str, role: str, terms: dict[str, Any] | None, code: str
) -> None:
    member = let_in(role)
    Program.objects.update(pools={"household": terms} if terms else {})

    with pytest.raises(PoolRefused) as refused:
        redeem(member, with_pool=True)

    assert [each["code"] for each in refused.value.figures["reasons"]] == [code]
    assert held()[0] == 200
    assert Redemption.objects.exists() is False


def test_a_child_may_where_the_file_says_so(ana: Member) -> None:
    child = let_in("child")
    Program.objects.update(pools={"household": {**TERMS, "redeem": ["owner", "adult", "child"]}})

    redeem(child, with_pool=True)

    assert held()[0] == 50


def test_who_is_in_no_pool_has_none_to_pay(ana: Member) -> None:
    with pytest.raises(NotInAPool):
        redeem(make_member(ana.program), with_pool=True)


def test_cancelled_points_go_back_to_the_pool_and_to_no_one_else(ana: Member) -> None:
    bea = let_in()
    made = redeem(bea, with_pool=True)

    cancel(made)

    assert (held()[0], balances(bea)[0]) == (200, 0)
    assert pool_ends.leave(member_id=ana.pk, actor="test", moment=NOW) == 200
    assert differences() == []


def test_a_hold_of_the_pool_is_captured_or_lapses(ana: Member) -> None:
    bea = let_in()
    first = redeem(bea, with_pool=True, mode="hold")
    assert held() == (50, 0, 150, 0)
    capture(first)
    assert held() == (50, 0, 0, 0)
    cancel(first)
    redeem(bea, with_pool=True, mode="hold", hold_minutes=5)

    assert jobs.run(RELEASE_HOLDS, moment=NOW + HOUR).failure == ""

    assert held() == (200, 0, 0, 0)
    assert Redemption.objects.filter(state="expired").count() == 1
    assert differences() == []


def test_a_quote_names_the_pools_lots(ana: Member) -> None:
    bea = let_in()

    found = quote(
        program=ana.program,
        member_id=bea.pk,
        reward_code="coffee",
        quantity=1,
        moment=NOW,
        with_pool=True,
    )

    assert (found.balance_after, [lot.points for lot in found.lots]) == (50, [150])
    assert found.decision.is_eligible
