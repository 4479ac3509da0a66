"""The exchange of points for a reward: made, captured, cancelled, handed over.

Locks are taken in one order: the label, the member's accounts, the reward's row, redemptions,
the voucher. Every function runs within one database transaction and is repeatable by the key
that its caller holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F

from members.models import Member, Program
from members.services import ledger, merged_rows, outbox
from rewards import vouchers
from rewards.eligibility import Reason
from rewards.models import Redemption, Reward, Voucher
from rewards.queries.catalog import limit_day
from rewards.queries.redemptions import joined, state_at
from rewards.services import donations, holds, payers
from rewards.services.decisions import Decision, decide
from rewards.services.refusals import (
    AlreadyResolved,
    CaptureExceedsHold,
    DonationPaidOut,
    DonationsAreNotHeld,
    MemberSuspended,
    RedemptionConflict,
)
from rewards.services.resolving import is_open, locked, row, void_voucher
from rewards.services.transactions import lock_label, read_only

Mode = Literal["capture", "hold"]
State = Redemption.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for; ``external_id`` empty is without a label of the caller.

    ``with_pool`` pays with the points of the pool that the member is in.
    """

    member: Member
    reward: str
    quantity: int = 1
    mode: Mode = "capture"
    hold_minutes: int = 15
    external_id: str = ""
    caller: str
    with_pool: bool = False


@transaction.atomic
def redeem(
    *, program: Program, order: Order, moment: datetime, is_simulated: bool = False
) -> Redemption:
    """Return a new redemption, paid at once or held for ``hold_minutes``.

    :raises UnknownReward: the catalog has no such reward.
    :raises RedemptionConflict: the caller used the label before.
    :raises RedemptionRefused: the member cannot have the reward; ``reasons`` lists why.
    :raises InsufficientPoints: nothing but points is missing.
    :raises DonationsAreNotHeld: a donation was to be held.
    :raises NotInAPool: a pool is to pay, and the member is in none.
    :raises PoolRefused: the member's role may not redeem its points.
    """
    if order.external_id:
        lock_label(caller=order.caller, external_id=order.external_id)
        _refuse_repeated_label(order)
    payer = payers.settle(
        member_id=order.member.pk, with_pool=order.with_pool, moment=moment, actor=order.caller
    )
    decision = _decision(program, order, moment, payer)
    redemption = _drafted(decision, order)
    redemption.payer_id = payer
    redemption.is_simulated = is_simulated
    _debit(redemption, decision)
    ledger.renew(
        member_id=redemption.paid_by,
        currency=decision.currency,
        act="redemption",
        moment=moment,
    )
    # The reward's row is what members wait for each other at, so it comes last.
    _take_stock(decision)
    redemption.save(force_insert=True)
    if redemption.reward.kind == Reward.Kind.DONATION:
        donations.give(redemption=redemption, currency=decision.currency, moment=moment)
    if redemption.state != State.HELD:
        _complete(redemption, program, moment)
    return redemption


def preview(*, program: Program, order: Order, moment: datetime) -> Redemption:
    """Return the redemption that ``redeem`` would make, unsaved; nothing is written.

    Refuses what ``redeem`` refuses.
    """
    with read_only():
        _refuse_repeated_label(order)
        payer = payers.of_pool(member_id=order.member.pk) if order.with_pool else None
        decision = _decision(program, order, moment, payer)
        redemption = _drafted(decision, order)
    days = decision.reward.voucher_valid_days
    if redemption.state != State.HELD and days is not None:
        ends_at = vouchers.expires_at(moment, days, ZoneInfo(program.timezone))
        Voucher(redemption=redemption, code="", issued_at=moment, expires_at=ends_at)
    return redemption


@transaction.atomic
def capture(
    *,
    program: Program,
    public_id: UUID,
    caller: str,
    moment: datetime,
    quantity: int | None = None,
) -> Redemption:
    """Return the redemption, its held points redeemed and its voucher issued.

    With ``quantity`` so many of the held pieces are paid; points and pieces of the
    others are free again. The hold has ended in either case.

    :raises NotFound: there is no such redemption.
    :raises AlreadyResolved: it is not held, or the hold's time is over.
    :raises MemberSuspended: the membership is not active.
    :raises CaptureExceedsHold: fewer pieces are held.
    """
    is_part = quantity is not None
    redemption = locked(public_id=public_id, moment=moment, caller=caller, with_stock=is_part)
    state = state_at(redemption, moment)
    # Somebody with a later clock may have released the hold before the row says so.
    if state == State.HELD and not is_open(redemption):
        state = State.EXPIRED.value
    if state != State.HELD:
        raise AlreadyResolved(f"The redemption is {state}.", state=state)
    if redemption.member.status != Member.Status.ACTIVE:
        raise MemberSuspended
    if quantity is not None:
        _keep_pieces(redemption, quantity)
    redemption.debit_id = ledger.capture(
        hold_id=redemption.hold_id or 0,
        actor=caller,
        occurred_at=moment,
        recorded_at=moment,
        points=redemption.points,
    )
    redemption.state = state_when_paid(redemption.reward)
    redemption.changed_at = moment
    redemption.save(update_fields=["quantity", "points", "debit", "state", "changed_at"])
    _complete(redemption, program, moment)
    return redemption


@transaction.atomic
def cancel(
    *,
    public_id: UUID,
    caller: str,
    moment: datetime,
    reason: str = "",
    member_id: int | None = None,
) -> Redemption:
    """Return the redemption, cancelled: points, pieces and the member's limit are given back.

    Points go back to the lots that they came from; a lot that expired meanwhile
    gets the currency's days of grace. With ``member_id`` only that member's
    redemptions are found.

    :raises NotFound: there is no such redemption.
    :raises AlreadyResolved: it was cancelled or has expired.
    :raises VoucherUsed: a till has accepted its voucher.
    :raises DonationPaidOut: its cause has had the money.
    """
    redemption = locked(
        public_id=public_id, moment=moment, caller=caller, member_id=member_id, with_stock=True
    )
    state = state_at(redemption, moment)
    if state == State.HELD and not is_open(redemption):
        state = State.EXPIRED.value
    if state in {State.CANCELLED, State.EXPIRED}:
        raise AlreadyResolved(f"The redemption is {state}.", state=state)
    if donations.is_paid_out(redemption):
        raise DonationPaidOut
    void_voucher(redemption)
    # Returns of the order that it paid may have given all of it back.
    if redemption.points > redemption.points_given_back:
        ledger.give_back(
            original_id=redemption.debit_id or redemption.hold_id or 0,
            source="redemption",
            external_ref=str(redemption.public_id),
            actor=caller,
            occurred_at=moment,
            recorded_at=moment,
            reason_code="cancelled",
        )
        if redemption.payer_id is None:
            merged_rows.forward(
                member=redemption.member,
                ref=f"redemption-{redemption.public_id}",
                actor=caller,
                moment=moment,
            )
    if redemption.debit_id is not None:
        redemption.points_given_back = redemption.points
    if not redemption.is_granted:
        holds.put_back(reward_id=redemption.reward_id, pieces=redemption.quantity)
    redemption.state = State.CANCELLED
    redemption.cancel_reason = reason
    redemption.changed_at = moment
    redemption.save(update_fields=["state", "points_given_back", "cancel_reason", "changed_at"])
    _tell(redemption, "redemption_cancelled", moment)
    return redemption


@transaction.atomic
def fulfill(*, public_id: UUID, moment: datetime) -> Redemption:
    """Return the requested redemption, marked as handed over.

    :raises NotFound: there is no such redemption.
    :raises AlreadyResolved: it is not waiting to be handed over.
    """
    redemption = row(joined().filter(public_id=public_id))
    if redemption.state != State.REQUESTED:
        state = state_at(redemption, moment)
        raise AlreadyResolved(f"The redemption is {state}.", state=state)
    redemption.state = State.FULFILLED
    redemption.changed_at = moment
    redemption.save(update_fields=["state", "changed_at"])
    return redemption


def state_when_paid(reward: Reward) -> str:
    """Return the state of a paid redemption.

    Goods have to be handed over, unless a voucher does that at a till; everything else is
    complete at once.
    """
    is_goods = reward.kind == Reward.Kind.PHYSICAL and reward.voucher_valid_days is None
    return State.REQUESTED.value if is_goods else State.FULFILLED.value


def _refuse_repeated_label(order: Order) -> None:
    if not order.external_id:
        return
    found = Redemption.objects.filter(caller=order.caller, external_id=order.external_id).first()
    if found is not None:
        raise RedemptionConflict(redemption=str(found.public_id))


def _decision(program: Program, order: Order, moment: datetime, payer_id: int | None) -> Decision:
    decision = decide(
        program=program,
        member_id=order.member.pk,
        reward_code=order.reward,
        quantity=order.quantity,
        moment=moment,
        payer_id=payer_id,
    )
    if not decision.is_eligible:
        raise decision.refuse()
    # A gift has no goods to wait for, and held points would be counted with nobody's.
    if order.mode == "hold" and decision.reward.kind == Reward.Kind.DONATION:
        raise DonationsAreNotHeld
    return decision


def _drafted(decision: Decision, order: Order) -> Redemption:
    reward, moment = decision.reward, decision.moment
    is_hold = order.mode == "hold"
    return Redemption(
        program=decision.program,
        member=order.member,
        reward=reward,
        quantity=order.quantity,
        held_quantity=order.quantity if is_hold else None,
        points=decision.points,
        state=State.HELD.value if is_hold else state_when_paid(reward),
        caller=order.caller,
        external_id=order.external_id,
        hold_expires_at=moment + timedelta(minutes=order.hold_minutes) if is_hold else None,
        limit_period_start=limit_day(reward, moment, ZoneInfo(decision.program.timezone)),
        created_at=moment,
        changed_at=moment,
    )


def _debit(redemption: Redemption, decision: Decision) -> None:
    is_hold = redemption.state == State.HELD
    is_gift = redemption.reward.kind == Reward.Kind.DONATION
    posted = ledger.debit(
        wanted=ledger.Debit(
            member_id=redemption.paid_by,
            currency_id=decision.currency.pk,
            points=redemption.points,
            type="hold" if is_hold else "donate" if is_gift else "redeem",
            external_ref=str(redemption.public_id),
            actor=redemption.caller,
            hold_expires_at=redemption.hold_expires_at,
        ),
        occurred_at=decision.moment,
        recorded_at=decision.moment,
    )
    if is_hold:
        redemption.hold_id = posted
    else:
        redemption.debit_id = posted


def _take_stock(decision: Decision) -> None:
    reward = decision.reward
    if reward.stock is None:
        return
    holds.expire_of_reward(reward_id=reward.pk, moment=decision.moment)
    # The decision read the stock without a lock; whether enough is left is decided here.
    taken = Reward.objects.filter(pk=reward.pk, stock__gte=decision.quantity).update(
        stock=F("stock") - decision.quantity
    )
    if not taken:
        left = Reward.objects.values_list("stock", flat=True).get(pk=reward.pk)
        if left is not None:
            raise decision.refuse([_gone(left)])


def _gone(left: int) -> Reason:
    return Reason("out_of_stock", f"{left} left", figures={"stock": left})


def _keep_pieces(redemption: Redemption, quantity: int) -> None:
    """Narrow a hold to the pieces that are captured; the others are in the shop again."""
    if quantity > redemption.quantity:
        raise CaptureExceedsHold(
            f"{redemption.quantity} pieces are held.", held=redemption.quantity, asked=quantity
        )
    price = redemption.points // redemption.quantity
    if quantity < redemption.quantity:
        holds.put_back(reward_id=redemption.reward_id, pieces=redemption.quantity - quantity)
    redemption.quantity = quantity
    redemption.points = price * quantity


def _complete(redemption: Redemption, program: Program, moment: datetime) -> None:
    days = redemption.reward.voucher_valid_days
    if days is not None:
        Voucher.objects.create(
            redemption=redemption,
            code=vouchers.new_code(),
            issued_at=moment,
            expires_at=vouchers.expires_at(moment, days, ZoneInfo(program.timezone)),
        )
    _tell(redemption, "redemption_made", moment)


def _tell(
    redemption: Redemption,
    kind: Literal["redemption_made", "redemption_cancelled"],
    moment: datetime,
) -> None:
    outbox.record(
        program_id=redemption.program_id,
        kind=kind,
        member_id=redemption.member_id,
        payload={
            "redemption": str(redemption.public_id),
            "reward": redemption.reward.name or redemption.reward.code,
            "reward_code": redemption.reward.code,
            "points": redemption.points,
            "quantity": redemption.quantity,
        },
        moment=moment,
    )
