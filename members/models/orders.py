"""Points that members bought with money, and what was given back of them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models.approvals import Approval
from members.models.ledger import LedgerTransaction
from members.models.people import Member
from members.models.program import PointCurrency, Program


class PointsOrder(models.Model):
    """Points bought by one payment that somebody else took, and at most one refund of them.

    ``members/sql/orders.sql`` holds what may change, and that the books move as it says.
    """

    class State(models.TextChoices):
        """What became of the order; points came once its transaction is set."""

        PAID = "paid", _("paid")
        REFUNDED = "refunded", _("refunded")
        WITHDRAWN = "withdrawn", _("withdrawn")

    approval = models.OneToOneField(
        Approval, models.PROTECT, primary_key=True, related_name="points_order"
    )
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="points_orders")
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+", db_index=False)
    points = models.BigIntegerField(db_comment="What was bought.")
    price = models.DecimalField(
        max_digits=20, decimal_places=4, db_comment="What was paid for all of them, in money."
    )
    money = models.CharField(max_length=3, db_comment="ISO 4217 code of the price.")
    price_digits = models.PositiveSmallIntegerField(
        db_comment="Decimal places of the smallest unit of the money."
    )
    provider = models.CharField(max_length=64, db_comment="Who took the payment.")
    reference = models.CharField(
        max_length=128, db_comment="The payment, as the provider names it."
    )
    state = models.CharField(max_length=16, choices=State, default=State.PAID)
    paid_at = models.DateTimeField()
    refundable_until = models.DateTimeField(
        editable=False,
        db_comment="First instant too late for a refund: the start of the 15th program-local day"
        " after the one of the payment; set by the database.",
    )
    expires_at = models.DateTimeField(
        null=True, blank=True, db_comment="First instant at which the points are of no use."
    )
    refunded_at = models.DateTimeField(null=True, blank=True)
    refunded_points = models.BigIntegerField(
        null=True, blank=True, db_comment="What was left of the order's own lots, and taken back."
    )
    refunded_price = models.DecimalField(
        max_digits=20,
        decimal_places=4,
        null=True,
        blank=True,
        db_comment="Their share of the price, half up to the smallest unit of the money.",
    )
    refund_why = models.TextField(
        blank=True, db_comment="For staff; emptied when the member is erased."
    )
    transaction = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="points_order"
    )
    refund = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="refunded_order"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_pointsorder_points", condition=Q(points__gt=0, points__lte=10**9)
            ),
            models.CheckConstraint(
                name="members_pointsorder_price",
                condition=Q(price__gt=0, money__regex="^[A-Z]{3}$", price_digits__lte=4),
            ),
            models.CheckConstraint(
                name="members_pointsorder_payment",
                condition=~Q(provider="") & ~Q(reference=""),
            ),
            # A payment buys points once; what was rejected before it gave any does not count.
            models.UniqueConstraint(
                fields=["reference", "provider", "program"],
                condition=~Q(state="withdrawn"),
                name="members_pointsorder_one_a_payment",
            ),
            models.CheckConstraint(
                name="members_pointsorder_refunded",
                condition=Q(
                    state="refunded",
                    refunded_at__isnull=False,
                    refunded_points__gt=0,
                    refunded_points__lte=F("points"),
                    refunded_points__isnull=False,
                    refunded_price__gte=0,
                    refunded_price__lte=F("price"),
                    refunded_price__isnull=False,
                )
                | Q(
                    state__in=["paid", "withdrawn"],
                    refunded_at__isnull=True,
                    refunded_points__isnull=True,
                    refunded_price__isnull=True,
                    refund__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="members_pointsorder_in_time",
                condition=Q(refunded_at__isnull=True)
                | Q(refunded_at__gte=F("paid_at"), refunded_at__lt=F("refundable_until")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.reference}"
