"""Points that members get from partners, and exchange with them.

The order of every act: the partner's reference is locked, the member is settled, then the movement
is written, which holds the row of the partner's balance, and last the ledger is posted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from members.lots import InsufficientPoints
from members.models import (
    LedgerAccount,
    Member,
    Partner,
    PartnerFunding,
    PartnerMovement,
    PartnerRate,
    User,
)
from members.services import ledger, merged_rows

Kind = PartnerMovement.Kind
State = PartnerMovement.State
SOURCE: Final = "partner"
UNIT: Final = Decimal("0.000001")


class PartnerRefused(DomainError):
    """The movement is not agreed with the partner, or not for this member; ``reason`` says why."""

    code = "partner_refused"
    title = "This cannot be done with the partner"
    cause = "The partner or its rate is missing, a cap is reached, or the member is not active."
    remedy = "Read `reason`; rates and caps stand in the program file."


class PackUsedUp(DomainError):
    """A prepaid partner has given all the points that it paid for."""

    code = "partner_pack_used_up"
    title = "The partner's prepaid points are used up"
    cause = "A prepaid partner gives points that it has paid for, and no more."
    remedy = "Record the partner's next payment."


class MovementConflict(DomainError):
    """The partner used the reference for something else."""

    code = "partner_movement_conflict"
    title = "The reference belongs to another movement"
    cause = "A reference of a partner names one movement of a kind, of one member and one amount."
    remedy = "Send another reference."


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be moved, by the partner's own reference.

    ``amount`` is points for a credit and for an exchange out, units of the partner's currency for
    an exchange in. ``expires_at`` is the first instant at which points that come are of no use.
    """

    partner: Partner
    member: Member
    kind: PartnerMovement.Kind
    external_id: str
    amount: Decimal
    actor: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Terms:
    points: int
    units: Decimal | None
    rate: Decimal | None
    price: Decimal


@transaction.atomic
def move(*, wish: Wish, moment: datetime) -> PartnerMovement:
    """Give points from the partner, or take points to it; a repeat returns the first movement.

    Points to the partner's currency are taken at once and ``requested`` until the partner has
    answered: ``confirm`` or ``fail``.

    :raises PartnerRefused: it is not agreed, or a cap of the day is reached.
    :raises PackUsedUp: a prepaid partner has not paid for so many points.
    :raises InsufficientPoints: the member has fewer, or is in debt.
    :raises MovementConflict: the reference named something else before.
    """
    ledger.call(
        "lock_business_key('partner', %s::text, %s::text)",
        *(f"{wish.partner.code} {wish.kind}", wish.external_id),
    )
    if known := _known(wish):
        return known
    ledger.settle_due(
        member_ids=[wish.member.pk], moment=moment, recorded_at=moment, actor=wish.actor
    )
    terms = _terms(wish, moment)
    _require_open(wish, terms, moment)
    movement = _written(wish, terms, moment)
    posted = _posted_out(movement) if wish.kind == Kind.EXCHANGE_OUT else _posted_in(movement, wish)
    movement.transaction_id = posted
    movement.save(update_fields=["transaction"])
    return movement


@transaction.atomic
def confirm(*, public_id: UUID) -> PartnerMovement:
    """Note that the partner has given its own currency for the points; a repeat changes nothing.

    :raises NotFound: there is no such exchange.
    :raises PartnerRefused: it has failed.
    """
    movement = _exchange(public_id)
    if movement.state == State.FAILED:
        raise PartnerRefused("The exchange has failed.", reason="failed")
    movement.state = State.CONFIRMED
    movement.save(update_fields=["state"])
    return movement


@transaction.atomic
def fail(*, public_id: UUID, actor: str, moment: datetime) -> PartnerMovement:
    """Give the points of an exchange back to their lots, since the partner did not take them.

    It stands in the statement of its own month, beside the exchange or after it. A repeat
    changes nothing.

    :raises NotFound: there is no such exchange.
    :raises PartnerRefused: the partner has confirmed it.
    """
    unlocked = PartnerMovement.objects.filter(public_id=public_id).select_related("member").first()
    if unlocked is None:
        raise NotFound
    together = merged_rows.together(unlocked.member)
    ledger.settle_due(member_ids=together, moment=moment, recorded_at=moment, actor=actor)
    movement = _exchange(public_id)
    if movement.state == State.FAILED:
        return movement
    if movement.state == State.CONFIRMED:
        raise PartnerRefused("The partner has confirmed it.", reason="confirmed")
    day = _day(movement.partner, moment)
    back = PartnerMovement.objects.create(
        **_same(movement),
        kind=Kind.EXCHANGE_BACK,
        state=State.CONFIRMED,
        external_id=movement.external_id,
        amount=-movement.amount,
        original=movement,
        day=day,
        month=day.replace(day=1),
        recorded_at=moment,
        actor=actor,
    )
    back.transaction_id = ledger.give_back(
        original_id=movement.transaction_id or 0,
        source=SOURCE,
        external_ref=str(back.public_id),
        actor=actor,
        occurred_at=moment,
        recorded_at=moment,
        reason_code="failed",
    )
    merged_rows.forward(
        member=movement.member, ref=f"{SOURCE}-{back.public_id}", actor=actor, moment=moment
    )
    movement.state = State.FAILED
    movement.save(update_fields=["state"])
    back.save(update_fields=["transaction"])
    return movement


@transaction.atomic
def fund(
    *, partner: Partner, points: int, amount: Decimal, reference: str, by: User, moment: datetime
) -> PartnerFunding:
    """Write down that a prepaid partner paid for points; a repeated reference changes nothing.

    :raises PartnerRefused: the partner pays by its statements.
    :raises MovementConflict: the reference paid for something else.
    """
    if partner.funding != Partner.Funding.PREPAID:
        raise PartnerRefused("The partner pays by its statements.", reason="postpaid")
    ledger.call(
        "lock_business_key('partner', %s::text, %s::text)", f"{partner.code} pack", reference
    )
    known = PartnerFunding.objects.filter(partner=partner, reference=reference).first()
    if known is not None:
        if (known.points, known.amount) != (points, amount):
            raise MovementConflict
        return known
    return PartnerFunding.objects.create(
        partner=partner,
        points=points,
        amount=amount,
        reference=reference,
        recorded_at=moment,
        recorded_by=by,
    )


def rate_at(partner: Partner, moment: datetime) -> PartnerRate | None:
    """Return what is agreed with the partner at the moment, None before anything was."""
    rows = PartnerRate.objects.filter(partner=partner, starts_at__lte=moment)
    return rows.order_by("-starts_at").first()


def _known(wish: Wish) -> PartnerMovement | None:
    found = PartnerMovement.objects.filter(
        partner=wish.partner, kind=wish.kind, external_id=wish.external_id
    ).first()
    if found is None:
        return None
    asked = found.units if wish.kind == Kind.EXCHANGE_IN else found.points
    if (found.member_id, asked) != (wish.member.pk, wish.amount):
        raise MovementConflict
    return found


def _terms(wish: Wish, moment: datetime) -> _Terms:
    rate = rate_at(wish.partner, moment)
    if rate is None:
        raise PartnerRefused("No rate holds yet.", reason="no_rate")
    if wish.kind == Kind.EXCHANGE_IN:
        if rate.rate_in is None:
            raise PartnerRefused("There is no exchange this way.", reason="no_rate")
        units = wish.amount.quantize(UNIT, ROUND_DOWN)
        points = int((units * rate.rate_in).to_integral_value(ROUND_DOWN))
        return _Terms(points, units, rate.rate_in, rate.price_in)
    points = int(wish.amount)
    if wish.kind == Kind.CREDIT:
        return _Terms(points, None, None, rate.price_in)
    if rate.rate_out is None:
        raise PartnerRefused("There is no exchange this way.", reason="no_rate")
    units = (points * rate.rate_out).quantize(UNIT, ROUND_DOWN)
    return _Terms(points, units, rate.rate_out, rate.price_out)


def _require_open(wish: Wish, terms: _Terms, moment: datetime) -> None:
    partner, is_out = wish.partner, wish.kind == Kind.EXCHANGE_OUT
    # Read under the member's lock: they may have been suspended meanwhile.
    status = Member.objects.values_list("status", flat=True).get(pk=wish.member.pk)
    if status != Member.Status.ACTIVE:
        raise PartnerRefused("The member is not active.", reason="member_not_active")
    if partner.is_retired:
        raise PartnerRefused("The partner is retired.", reason="retired")
    if not 0 < terms.points <= 10**9:
        raise PartnerRefused("It comes to no points.", reason="no_points")
    cap = partner.taken_per_day if is_out else partner.given_per_day
    kinds = [Kind.EXCHANGE_OUT] if is_out else [Kind.CREDIT, Kind.EXCHANGE_IN]
    if cap is not None and _moved_today(wish, kinds, moment) + terms.points > cap:
        raise PartnerRefused("The cap of the day is reached.", reason="cap", cap=cap)
    if is_out:
        _require_points(wish, terms.points)


def _moved_today(wish: Wish, kinds: list[PartnerMovement.Kind], moment: datetime) -> int:
    rows = PartnerMovement.objects.filter(
        partner=wish.partner,
        member=wish.member,
        day=_day(wish.partner, moment),
        kind__in=kinds,
    ).exclude(state=State.FAILED)
    return rows.aggregate(points=Sum("points"))["points"] or 0


def _require_points(wish: Wish, points: int) -> None:
    rows = LedgerAccount.objects.filter(member=wish.member, currency=wish.partner.currency_id)
    held = dict(rows.values_list("kind", "balance"))
    available = 0 if held.get("debt", 0) < 0 else held.get("available", 0)
    if available < points:
        raise InsufficientPoints(
            f"{points} points asked, {available} available.", available=available, required=points
        )


def _written(wish: Wish, terms: _Terms, moment: datetime) -> PartnerMovement:
    partner, day = wish.partner, _day(wish.partner, moment)
    is_out = wish.kind == Kind.EXCHANGE_OUT
    owed = terms.points * terms.price
    if not is_out and partner.funding == Partner.Funding.PREPAID:
        owed = Decimal(0)
    try:
        return PartnerMovement.objects.create(
            partner=partner,
            member=wish.member,
            kind=wish.kind,
            state=State.REQUESTED if is_out else State.CONFIRMED,
            external_id=wish.external_id,
            points=terms.points,
            units=terms.units,
            rate=terms.rate,
            price=terms.price,
            amount=-owed if is_out else owed,
            day=day,
            month=day.replace(day=1),
            recorded_at=moment,
            actor=wish.actor,
        )
    except IntegrityError as error:
        if "members_partnerbalance_within_funds" in str(error):
            raise PackUsedUp from error
        raise


def _posted_in(movement: PartnerMovement, wish: Wish) -> int:
    posted: int = ledger.call(
        "ledger_adjust_credit(%s::bigint, %s::bigint, %s::bigint, 'exchange_in', %s::text,"
        " %s::text, %s::text, %s::text, %s::timestamptz, %s::timestamptz, '',"
        " %s::timestamptz, %s::timestamptz)",
        *(movement.member_id, movement.partner.currency_id, movement.points),
        *(account_kind(movement.partner), SOURCE, str(movement.public_id), movement.actor),
        *(movement.recorded_at, movement.recorded_at, movement.recorded_at, wish.expires_at),
    )
    return posted


def _posted_out(movement: PartnerMovement) -> int:
    posted: int = ledger.call(
        "ledger_exchange_out(%s::bigint, %s::bigint, %s::bigint, %s::text, %s::text, %s::text,"
        " %s::timestamptz, %s::timestamptz)",
        *(movement.member_id, movement.partner.currency_id, movement.points),
        *(account_kind(movement.partner), str(movement.public_id), movement.actor),
        *(movement.recorded_at, movement.recorded_at),
    )
    return posted


def account_kind(partner: Partner) -> str:
    """Return the kind of the partner's account in the ledger."""
    return f"partner:{partner.code}"


def _exchange(public_id: UUID) -> PartnerMovement:
    movement = (
        PartnerMovement.objects.select_for_update(of=("self",), no_key=True)
        .select_related("partner__program", "member")
        .filter(public_id=public_id, kind=Kind.EXCHANGE_OUT)
        .first()
    )
    if movement is None:
        raise NotFound
    return movement


def _same(movement: PartnerMovement) -> dict[str, Any]:
    names = ("partner_id", "member_id", "points", "units", "rate", "price")
    return {name: getattr(movement, name) for name in names}


def _day(partner: Partner, moment: datetime) -> date:
    return calendars.local_day(moment, ZoneInfo(partner.program.timezone))


def _call(function: str, *arguments: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}", arguments)
        row = cursor.fetchone()
    return row[0] if row else None
