"""Points that members buy: the payment is taken elsewhere, and can be given back for two weeks.

An order is an act of staff like any other, see ``members/services/approvals.py``: a large one
waits for a second person. Bought points buy rewards and lift no tier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib import money
from loyalty_site.lib.errors import DomainError
from members.models import Approval, Member, PointCurrency, PointsOrder, User
from members.services import adjustments, approvals, ledger
from members.services.adjustments import POINTS_MAX, REVERSAL, ExpiryPassed
from members.services.approvals import Asked

ACT: Final = "points_order"
# What a price and its columns hold at most.
PRICE_MAX: Final = Decimal(10) ** 12
State = PointsOrder.State


class OrderUnsuitable(DomainError):
    """The order names points, money or a moment that cannot be."""

    code = "order_unsuitable"
    title = "Points cannot be bought like this"
    cause = "An order is of points that buy rewards, for a price in whole smallest units of money."
    remedy = "Compare the points, the price and the moment with the payment."


class PaymentKnown(DomainError):
    """The payment has bought something else already."""

    code = "payment_known"
    title = "This payment was recorded before, with other figures"
    cause = "A payment buys points once, for one member."
    remedy = "Look the payment up in the list of orders."


class OrderNotPosted(DomainError):
    """The points of the order never came."""

    code = "order_not_posted"
    title = "The points of this order have not come yet"
    cause = "The order waits for a second person, or was rejected."
    remedy = "Approve or reject the act first; the payment itself is returned by who took it."


class RefundTooLate(DomainError):
    """The time in which bought points can be given back is over."""

    code = "refund_too_late"
    title = "It is too late to give these points back"
    cause = "Bought points can be given back until the end of the 14th day after the payment."
    remedy = "Nothing can be refunded any more; points can still be adjusted by hand."


class NothingToRefund(DomainError):
    """None of the bought points is left with the member."""

    code = "nothing_to_refund"
    title = "None of these points is left"
    cause = "They were redeemed, sent on, held for a redemption, or paid what the member owed."
    remedy = "Cancel the redemption or the transfer that has them, and then refund."


class QuoteChanged(DomainError):
    """Other points are left than the quote said."""

    code = "quote_changed"
    title = "Something moved these points meanwhile"
    cause = "The member used some of the points, or got some back, after the quote was shown."
    remedy = "Read the new quote and confirm it."


@dataclass(frozen=True, kw_only=True, slots=True)
class Sale:
    """What was bought; ``price`` is for all of it, in units of ``money`` (ISO 4217).

    ``provider`` took the payment and calls it ``reference``. ``expires_at`` is the first instant
    at which the points are of no use, None for never; they last at least as long as they can be
    given back.
    """

    member: Member
    currency: PointCurrency
    points: int
    price: Decimal
    money: str
    provider: str
    reference: str
    paid_at: datetime
    expires_at: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a refund would take and return; ``price`` in the money of the order."""

    points: int
    price: Decimal


@transaction.atomic
def buy(*, sale: Sale, by: User, moment: datetime) -> PointsOrder:
    """Record a paid order and, where one person may do it alone, post its points at once.

    A repeat of the payment returns the order that it made the first time. One that was rejected
    before it gave points can be recorded anew.

    :raises OrderUnsuitable: there is no such sale.
    :raises PaymentKnown: the payment was recorded for something else.
    :raises OwnAccount: the points would be the person's own.
    :raises ExpiryPassed: the points would be of no use.
    """
    _require_sound(sale, moment)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lock_business_key(%s::text, %s::text, %s::text)",
            [ACT, sale.provider, sale.reference],
        )
    if known := _known(sale):
        return known
    approval = approvals.request(
        asked=Asked(
            program_id=sale.currency.program_id,
            act=ACT,
            member_id=sale.member.pk,
            currency_id=sale.currency.pk,
            points=sale.points,
            is_credit=True,
            why=sale.why,
        ),
        by=by,
        moment=moment,
    )
    order = PointsOrder.objects.create(
        approval=approval,
        program_id=sale.currency.program_id,
        member=sale.member,
        currency=sale.currency,
        points=sale.points,
        price=sale.price,
        money=sale.money,
        price_digits=money.minor_digits(sale.money),
        provider=sale.provider,
        reference=sale.reference,
        paid_at=sale.paid_at,
        # The database sets the true one.
        refundable_until=sale.paid_at,
        expires_at=sale.expires_at,
    )
    approvals.post_alone(approval=approval, moment=moment)
    order.refresh_from_db()
    return order


def post(approval: Approval, moment: datetime) -> None:
    """Post the points of an order that may be posted; they pay debt first.

    :raises ExpiryPassed: it waited longer than its points would have lasted.
    """
    order = PointsOrder.objects.get(approval=approval)
    actor = f"staff:{approval.requested_by_id}"
    _settle(order.member_id, actor, moment)
    approvals.mark_posted(approval=approval, moment=moment)
    ends = order.expires_at
    if ends is not None:
        # Points that ended before would be lost to a refund that is still in time.
        ends = max(ends, order.refundable_until)
        if ends <= moment:
            raise ExpiryPassed
    posted = adjustments.credit(
        approval=approval,
        reference=str(approval.public_id),
        reason_code=ACT,
        available_at=moment,
        expires_at=ends,
        actor=actor,
        moment=moment,
        counter="sold",
    )
    PointsOrder.objects.filter(pk=approval.pk).update(transaction_id=posted)


def quote(*, order: PointsOrder, moment: datetime) -> Quote:
    """Return what a refund would take back now, and the money that it would return.

    The points are those of the order's own lots that its member, or whom they were merged into,
    has still; the money is their exact fraction of the price, rounded half up to its smallest unit.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(o.remaining), 0)::bigint"
            " FROM ledger_lots_of(%s::bigint, %s::bigint) o"
            " JOIN members_pointlot l ON l.id = o.lot_id"
            " WHERE o.kind IN ('available', 'pending')"
            " AND (l.expires_at IS NULL OR l.expires_at > %s::timestamptz)",
            [order.transaction_id, _holder(order), moment],
        )
        (left,) = cursor.fetchone()
    return Quote(left, money.share(order.price, left, order.points, order.price_digits))


@transaction.atomic
def refund(
    *, order_id: int, by: User, why: str, moment: datetime, expected: int | None = None
) -> PointsOrder:
    """Take back what is left of an order's own points; the row says what money to return.

    The money is returned by who took it. A repeat returns the order as it was refunded.
    ``expected`` is what a quote said before, in points.

    :raises OrderNotPosted: its points never came.
    :raises RefundTooLate: the time is over.
    :raises NothingToRefund: none of its points is left.
    :raises QuoteChanged: other points are left than were expected.
    :raises OwnAccount: the points are the person's own.
    """
    approval = approvals.locked(order_id)
    order = PointsOrder.objects.select_related("member").get(approval=approval)
    if order.state == State.REFUNDED:
        return order
    if approval.state != Approval.State.POSTED:
        raise OrderNotPosted
    if moment >= order.refundable_until:
        raise RefundTooLate
    actor = f"staff:{by.pk}"
    _settle(_holder(order), actor, moment)
    found = quote(order=order, moment=moment)
    if found.points == 0:
        raise NothingToRefund
    if expected is not None and expected != found.points:
        raise QuoteChanged(f"{found.points} points are left, not {expected}.")
    approvals.mark_reversed(approval=approval, by=by, moment=moment)
    order.state = State.REFUNDED
    order.refunded_at, order.refund_why = moment, why
    order.refunded_points, order.refunded_price = found.points, found.price
    order.save(
        update_fields=[*("state", "refunded_at", "refund_why", "refunded_points", "refunded_price")]
    )
    posted, _taken, _debt = adjustments.debit(
        approval=approval,
        source=REVERSAL,
        points=found.points,
        reason_code=ACT,
        missing="refuse",
        of=order.transaction_id,
        is_only_of=True,
        counter="sold",
        member_id=_holder(order),
        actor=actor,
        moment=moment,
    )
    PointsOrder.objects.filter(pk=order.pk).update(refund_id=posted)
    order.refresh_from_db()
    return order


def of_payment(*, provider: str, reference: str) -> PointsOrder | None:
    """Return the order that a payment stands for, None if it bought nothing."""
    rows = PointsOrder.objects.filter(provider=provider, reference=reference)
    return rows.exclude(state=State.WITHDRAWN).first()


def _known(sale: Sale) -> PointsOrder | None:
    order = of_payment(provider=sale.provider, reference=sale.reference)
    if order is None:
        return None
    if order.approval.state == Approval.State.REJECTED:
        order.state = State.WITHDRAWN
        order.save(update_fields=["state"])
        return None
    told: tuple[Any, ...] = (sale.member.pk, sale.currency.pk, sale.points, sale.price, sale.money)
    # Whoever was merged meanwhile is told of as the survivor.
    owner = _holder(order) if sale.member.pk == _holder(order) else order.member_id
    if told != (owner, order.currency_id, order.points, order.price, order.money):
        raise PaymentKnown
    return order


def _require_sound(sale: Sale, moment: datetime) -> None:
    standing = {Member.Status.ACTIVE, Member.Status.SUSPENDED}
    if sale.currency.kind != PointCurrency.Kind.REDEEMABLE or sale.currency.is_retired:
        raise OrderUnsuitable("Only points that buy rewards can be bought.")
    if not 0 < sale.points <= POINTS_MAX:
        raise OrderUnsuitable(f"Points are a whole number from 1 to {POINTS_MAX}.")
    if sale.money not in money.CURRENCIES:
        raise OrderUnsuitable("The money is named by its ISO 4217 code.")
    digits = money.minor_digits(sale.money)
    if not _is_price(sale.price, digits):
        raise OrderUnsuitable(f"A price in {sale.money} is above 0, with {digits} decimals.")
    if not (sale.provider and sale.reference):
        raise OrderUnsuitable("Say who took the payment, and how they name it.")
    if sale.paid_at > moment:
        raise OrderUnsuitable("A payment is not in the future.")
    if sale.member.status not in standing:
        raise OrderUnsuitable("The member has left.")


def _is_price(price: Decimal, digits: int) -> bool:
    return price.is_finite() and 0 < price <= PRICE_MAX and price == round(price, digits)


def _holder(order: PointsOrder) -> int:
    return order.member.merged_into_id or order.member_id


def _settle(member_id: int, actor: str, moment: datetime) -> None:
    ledger.settle_due(member_ids=[member_id], moment=moment, recorded_at=moment, actor=actor)


approvals.ACTS.add(ACT, _("order of points"), post)
