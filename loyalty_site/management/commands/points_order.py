"""Record points that were paid for in a shop, and give them back."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from campaigns.queries.endings import default_end
from loyalty_site.lib.errors import DomainError
from members.models import PointsOrder, User
from members.queries.lookup import resolve_member
from members.queries.program import current_program, point_currency
from members.services import approvals, orders
from members.services.orders import Sale


class Command(BaseCommand):
    """Records a payment for points, tells what a refund would be, or refunds."""

    help = "Record a payment for points once, quote a refund of it, or refund what is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True)
        for name, told in (
            ("buy", "record a payment; a repeat changes nothing"),
            ("quote", "tell what a refund would take back and return"),
            ("refund", "take back what is left; a repeat changes nothing"),
        ):
            step = steps.add_parser(name, help=told)
            step.add_argument("--provider", required=True, help="who took the payment")
            step.add_argument("--reference", required=True, help="how they name it")
            if name == "quote":
                continue
            step.add_argument("--by", required=True, metavar="EMAIL", help="who of the staff")
            step.add_argument("--why", default="", required=name == "refund", help="for staff")
            if name == "buy":
                _add_sale(step)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the step."""
        try:
            getattr(self, f"_{options['step']}")(options)
        except DomainError as refusal:
            raise CommandError(refusal.detail) from None

    def _buy(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        order = orders.buy(sale=_sale(options, now), by=_person(options["by"], "--by"), moment=now)
        if order.transaction_id is None and options["approved_by"]:
            second = _person(options["approved_by"], "--approved-by")
            approvals.approve(approval_id=order.pk, by=second, moment=now)
            order.refresh_from_db()
        if order.transaction_id is None:
            self.stdout.write("the order waits for approval in the admin")
            return
        until = timezone.localtime(order.refundable_until, ZoneInfo(order.program.timezone))
        self.stdout.write(
            f"{order.points} points came for {_money(order.price, order)};"
            f" they can be given back before {until:%Y-%m-%d %H:%M}"
        )

    def _quote(self, options: dict[str, Any]) -> None:
        order = _order(options)
        found = orders.quote(order=order, moment=timezone.now())
        self.stdout.write(f"{found.points} points, {_money(found.price, order)}")

    def _refund(self, options: dict[str, Any]) -> None:
        by, order = _person(options["by"], "--by"), _order(options)
        done = orders.refund(order_id=order.pk, by=by, why=options["why"], moment=timezone.now())
        returned = _money(done.refunded_price or Decimal(0), done)
        self.stdout.write(f"{done.refunded_points} points were taken back; return {returned}")


def _add_sale(step: ArgumentParser) -> None:
    step.add_argument("--member", required=True, help="member number or any identifier")
    step.add_argument("--points", required=True, type=int)
    step.add_argument("--price", required=True, help="of all of them, such as 10.00")
    step.add_argument("--money", help="ISO 4217 code (the program's)")
    step.add_argument("--currency", help="code of the points (the first redeemable ones)")
    step.add_argument("--paid-at", help="moment with its offset, such as 2026-03-02T12:00+01:00")
    step.add_argument("--approved-by", metavar="EMAIL", help="who of the staff agreed to it")


def _sale(options: dict[str, Any], now: datetime) -> Sale:
    program = current_program()
    currency = point_currency(program, options["currency"])
    try:
        price = Decimal(options["price"])
        paid_at = datetime.fromisoformat(options["paid_at"]) if options["paid_at"] else now
    except (InvalidOperation, ValueError):
        raise CommandError("--price is a number and --paid-at a moment") from None
    if paid_at.tzinfo is None:
        raise CommandError("--paid-at needs its offset, such as +01:00")
    return Sale(
        member=resolve_member(program=program, moment=now, identifier=options["member"]),
        currency=currency,
        points=options["points"],
        price=price,
        money=(options["money"] or program.currency).upper(),
        provider=options["provider"],
        reference=options["reference"],
        paid_at=paid_at,
        expires_at=default_end(currency, now, ZoneInfo(program.timezone)),
        why=options["why"],
    )


def _order(options: dict[str, Any]) -> PointsOrder:
    order = orders.of_payment(provider=options["provider"], reference=options["reference"])
    if order is None or order.transaction_id is None:
        raise CommandError("no points came for this payment")
    return order


def _money(amount: Decimal, order: PointsOrder) -> str:
    return f"{amount:.{order.price_digits}f} {order.money}"


def _person(address: str, option: str) -> User:
    user = User.objects.filter(email__iexact=address, is_staff=True, is_active=True).first()
    if user is None:
        raise CommandError(f"{option} names the login of somebody of the staff")
    return user
