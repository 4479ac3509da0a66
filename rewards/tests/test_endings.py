"""Holds and cancellations through the services: how redemptions end, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from loyalty_site.lib.problems import NotFound
from members.models import (
    LedgerTransaction,
    LotUse,
    Member,
    OutboxEvent,
    PointLot,
    Program,
)
from rewards.models import Redemption, Voucher
from rewards.queries.redemptions import state_at
from rewards.services import redemptions, vouchers
from rewards.services.refusals import (
    AlreadyResolved,
    MemberSuspended,
    VoucherUsed,
)
from rewards.tests.factories import (
    CALLER,
    NOW,
    balances,
    cancel,
    capture,
    earn,
    make_member,
    make_program,
    make_reward,
    owe,
    redeem,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def program(db: None) -> Program:
    """Return an empty program."""
    return make_program()


@pytest.fixture
def member(program: Program) -> Member:
    """Return a member with 500 points."""
    member = make_member(program)
    earn(member, 500)
    return member


def suspended(member: Member) -> None:
    """Suspend the member."""
    Member.objects.filter(pk=member.pk).update(status="suspended")


# Holds ---------------------------------------------------------------------------------------


def test_a_hold_sets_points_aside_until_it_is_captured(member: Member) -> None:
    make_reward(member.program)

    held = redeem(member, mode="hold", hold_minutes=30)

    assert (held.state, held.hold_expires_at) == ("held", NOW + 30 * MINUTE)
    assert balances(member) == (350, 0, 150, 0)
    assert Voucher.objects.exists() is False
    assert OutboxEvent.objects.exists() is False

    captured = capture(held, at=NOW + 29 * MINUTE)

    assert captured.state == "fulfilled"
    assert captured.voucher.issued_at == NOW + 29 * MINUTE
    assert balances(member) == (350, 0, 0, 0)
    assert OutboxEvent.objects.get().kind == "redemption_made"


def test_a_hold_past_its_time_is_expired_and_its_points_are_free(member: Member) -> None:
    make_reward(member.program, points_price=400)
    held = redeem(member, mode="hold")
    end = NOW + 15 * MINUTE

    assert state_at(held, end - MINUTE) == "held"
    assert state_at(held, end) == "expired"
    for act in (capture, cancel):
        with pytest.raises(AlreadyResolved) as refused:
            act(held, at=end)
        assert refused.value.figures == {"state": "expired"}
    assert redeem(member, at=end).state == "fulfilled"
    assert balances(member) == (100, 0, 0, 0)


def test_a_hold_released_by_a_later_clock_cannot_be_captured(member: Member) -> None:
    make_reward(member.program, points_price=100)
    held = redeem(member, mode="hold")
    redeem(member, at=NOW + 15 * MINUTE)

    with pytest.raises(AlreadyResolved) as refused:
        capture(held, at=NOW + 14 * MINUTE)

    assert refused.value.figures == {"state": "expired"}
    assert balances(member) == (400, 0, 0, 0)


@pytest.mark.parametrize(
    ("_case", "resolve", "state"),
    [
        ("captured", capture, "fulfilled"),
        ("cancelled", cancel, "cancelled"),
    ],
)
def test_a_hold_ends_once(
    member: Member, _case: str, resolve: Callable[..., Redemption], state: str
) -> None:
    make_reward(member.program)
    held = redeem(member, mode="hold")

    resolve(held)

    with pytest.raises(AlreadyResolved) as refused:
        capture(held)
    assert refused.value.figures == {"state": state}


def test_a_suspended_member_captures_nothing(member: Member) -> None:
    make_reward(member.program)
    held = redeem(member, mode="hold")
    suspended(member)

    with pytest.raises(MemberSuspended):
        capture(held)

    assert balances(member) == (350, 0, 150, 0)


# Cancelling ----------------------------------------------------------------------------------


def test_cancelling_a_hold_releases_it(member: Member) -> None:
    make_reward(member.program)

    done = cancel(redeem(member, mode="hold"), reason="changed their mind")

    assert (done.state, done.cancel_reason) == ("cancelled", "changed their mind")
    assert balances(member) == (500, 0, 0, 0)
    assert list(LedgerTransaction.objects.order_by("pk").values_list("type", flat=True)) == [
        "earn",
        "hold",
        "release",
    ]


@pytest.mark.parametrize("mode", ["capture", "hold"])
def test_cancelling_gives_points_back_to_their_lots(program: Program, mode: str) -> None:
    member = make_member(program)
    make_reward(program)
    first = earn(member, 100, expires_at=NOW + 60 * MINUTE)
    second = earn(member, 100)
    made = redeem(member, mode=mode)
    if mode == "hold":
        made = capture(made)

    done = cancel(made)

    assert done.state == "cancelled"
    assert dict(PointLot.objects.values_list("transaction_id", "remaining")) == {
        first.pk: 100,
        second.pk: 100,
    }
    assert Voucher.objects.get().state == "cancelled"
    assert OutboxEvent.objects.filter(kind="redemption_cancelled").count() == 1
    reversal = LedgerTransaction.objects.get(type="redemption_reversal")
    assert reversal.reverses_id == done.debit_id


def test_points_that_expired_meanwhile_come_back_with_days_of_grace(program: Program) -> None:
    member = make_member(program)
    make_reward(program)
    earn(member, 150, expires_at=NOW + MINUTE)
    made = redeem(member)

    cancel(made, at=NOW + 2 * MINUTE)

    lot = PointLot.objects.get(remaining__gt=0)
    assert (lot.remaining, lot.expires_at) == (150, datetime(2026, 4, 9, 23, tzinfo=UTC))


def test_points_that_come_back_pay_debt_first(member: Member) -> None:
    make_reward(member.program)
    made = redeem(member)
    owe(member, 40)

    cancel(made)

    assert balances(member) == (460, 0, 0, 0)
    assert LotUse.objects.get(kind="debt").points == 40


def test_cancelling_twice_is_refused_and_gives_nothing(member: Member) -> None:
    make_reward(member.program)
    made = redeem(member)
    cancel(made)

    with pytest.raises(AlreadyResolved) as refused:
        cancel(made)

    assert refused.value.figures == {"state": "cancelled"}
    assert balances(member) == (500, 0, 0, 0)


def test_a_used_voucher_cannot_be_cancelled(member: Member) -> None:
    make_reward(member.program)
    made = redeem(member)
    vouchers.use(
        program=member.program, code=made.voucher.code, purchase=None, caller=CALLER, moment=NOW
    )

    with pytest.raises(VoucherUsed):
        cancel(made)

    assert balances(member) == (350, 0, 0, 0)
    assert Redemption.objects.get().state == "fulfilled"


def test_a_member_finds_only_their_own(member: Member) -> None:
    make_reward(member.program)
    made = redeem(member)
    stranger = make_member(member.program)

    with pytest.raises(NotFound):
        cancel(made, member_id=stranger.pk)
    with pytest.raises(NotFound):
        redemptions.cancel(public_id=uuid4(), caller=CALLER, moment=NOW)
