"""What members bought and brought back."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from members.models.people import Member
from members.models.program import Program


class Purchase(models.Model):
    """A sale, told once by the till that made it; keeps its member for ever."""

    class State(models.TextChoices):
        """What came back of it."""

        CLOSED = "closed"
        PARTIALLY_RETURNED = "partially_returned"
        RETURNED = "returned"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128)
    content_key = models.BinaryField(
        db_comment="SHA-256 of the normalized content, to tell a repeat from a conflict."
    )
    member = models.ForeignKey(
        Member, models.PROTECT, null=True, blank=True, related_name="purchases", db_index=False
    )
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    store = models.CharField(max_length=64, blank=True)
    channel = models.CharField(max_length=32, blank=True)
    cashier = models.CharField(max_length=64, blank=True)
    device = models.CharField(max_length=64, blank=True)
    currency = models.CharField(max_length=3)
    net = models.DecimalField(max_digits=20, decimal_places=4)
    state = models.CharField(max_length=20, choices=State, default=State.CLOSED)
    coupons = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    tenders = models.JSONField(default=list, blank=True)
    evaluation = models.JSONField(
        default=dict,
        blank=True,
        db_comment="Points, receipt, what did not apply, and the tier, as first answered.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["external_id", "source", "program"], name="members_purchase_business_key"
            ),
        ]
        indexes = [
            # Reader: a member's purchases, newest first.
            models.Index(
                fields=["member", "-occurred_at", "-id"],
                condition=Q(member__isnull=False),
                name="members_purchase_of_member",
            ),
            # Reader: the admin's list and the capture rate, by recording.
            models.Index(fields=["-recorded_at", "-id"], name="members_purchase_newest"),
            # Reader: what coupons brought. Most purchases carry none and stand not in it.
            models.Index(
                fields=["occurred_at"],
                condition=~Q(coupons=[]),
                name="members_purchase_with_coupons",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}"


class PurchaseLine(models.Model):
    """One line of a purchase, as the till sent it, with its net."""

    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="lines", db_index=False)
    position = models.PositiveSmallIntegerField()
    line_id = models.CharField(max_length=64)
    sku = models.CharField(max_length=128, blank=True)
    name = models.CharField(max_length=200, blank=True)
    category = models.CharField(max_length=128, blank=True)
    brand = models.CharField(max_length=128, blank=True)
    quantity = models.DecimalField(max_digits=15, decimal_places=3)
    unit_price = models.DecimalField(max_digits=16, decimal_places=4)
    discount = models.DecimalField(max_digits=16, decimal_places=4)
    tax = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    net = models.DecimalField(max_digits=20, decimal_places=4)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["purchase", "position"], name="members_purchaseline_position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line_id} {self.name}"


class Return(models.Model):
    """Goods that came back; parked when it arrives before its purchase."""

    class State(models.TextChoices):
        """Whether it could be applied."""

        APPLIED = "applied"
        PARKED = "parked"
        REJECTED = "rejected"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    source = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128)
    content_key = models.BinaryField()
    purchase = models.ForeignKey(
        Purchase, models.PROTECT, null=True, blank=True, related_name="returns"
    )
    purchase_source = models.CharField(max_length=64)
    purchase_external_id = models.CharField(max_length=128)
    state = models.CharField(max_length=16, choices=State)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)
    requested_lines = models.JSONField(
        null=True, blank=True, db_comment="[{line_id, quantity}]; null asks for all that is left."
    )
    points = models.JSONField(
        default=dict, blank=True, db_comment="What was taken back and from where."
    )
    problem = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["external_id", "source", "program"], name="members_return_business_key"
            ),
            models.CheckConstraint(
                name="members_return_applied_has_purchase",
                condition=~Q(state="applied") | Q(purchase__isnull=False),
            ),
        ]
        indexes = [
            # Reader: the purchase that arrives after its returns, and the retry job.
            models.Index(
                fields=["purchase_external_id", "purchase_source"],
                condition=Q(state="parked"),
                name="members_return_parked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}"


class ReturnLine(models.Model):
    """How much of a purchase's line a return brought back."""

    goods_return = models.ForeignKey(Return, models.PROTECT, related_name="lines")
    purchase_line = models.ForeignKey(PurchaseLine, models.PROTECT, related_name="returned")
    quantity = models.DecimalField(max_digits=15, decimal_places=3)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["goods_return", "purchase_line"], name="members_returnline_one"
            ),
            models.CheckConstraint(name="members_returnline_positive", condition=Q(quantity__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.purchase_line_id}"
