"""The exchange of points for a reward, and the code that proves it."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from members.models import LedgerTransaction, Member, Program, Purchase
from rewards.models.catalog import Reward


class Redemption(models.Model):
    """One exchange. What moved the points stands in the ledger transactions it names."""

    class State(models.TextChoices):
        """Where it stands; held, cancelled and expired are resolved exactly once."""

        REQUESTED = "requested"
        HELD = "held"
        FULFILLED = "fulfilled"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="redemptions")
    payer = models.ForeignKey(
        Member,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_comment="The row of the pool that pays; empty where the member does.",
    )
    reward = models.ForeignKey(Reward, models.PROTECT, related_name="redemptions")
    quantity = models.PositiveIntegerField(
        db_comment="Pieces; after a capture of a part those that were captured."
    )
    held_quantity = models.PositiveIntegerField(
        null=True, blank=True, db_comment="Pieces that were held first; null without a hold."
    )
    points = models.BigIntegerField(db_comment="The price of the pieces.")
    points_given_back = models.BigIntegerField(
        default=0, db_comment="Of the points paid, by returns and by a cancellation."
    )
    state = models.CharField(max_length=16, choices=State)
    caller = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128, blank=True, default="")
    hold = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )
    debit = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    limit_period_start = models.DateField(
        null=True, blank=True, db_comment="Day on which the member's limit period began."
    )
    cancel_reason = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    is_granted = models.BooleanField(
        default=False,
        db_default=False,
        db_comment="Given by a rule: it cost no points and took no piece of a stock.",
    )
    is_simulated = models.BooleanField(
        default=False, db_comment="Made by the demo's stated policy, not by a person."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["caller", "external_id"],
                condition=~Q(external_id=""),
                name="rewards_redemption_external_id",
            ),
            models.CheckConstraint(
                name="rewards_redemption_positive",
                condition=Q(quantity__gt=0)
                & (Q(points__gt=0, is_granted=False) | Q(points=0, is_granted=True)),
            ),
            models.CheckConstraint(
                name="rewards_redemption_paid",
                condition=~Q(state__in=["requested", "fulfilled"])
                | Q(debit__isnull=False)
                | Q(is_granted=True),
            ),
            models.CheckConstraint(
                name="rewards_redemption_held",
                condition=~Q(state="held") | Q(hold__isnull=False, hold_expires_at__isnull=False),
            ),
            models.CheckConstraint(
                name="rewards_redemption_of_held_pieces",
                condition=Q(hold__isnull=True, held_quantity__isnull=True)
                | Q(hold__isnull=False, held_quantity__gte=F("quantity")),
            ),
            models.CheckConstraint(
                name="rewards_redemption_given_back_within",
                condition=Q(points_given_back__gte=0, points_given_back__lte=F("points")),
            ),
            models.CheckConstraint(
                name="rewards_redemption_cancelled_as_a_whole",
                condition=~Q(state="cancelled")
                | Q(debit__isnull=True)
                | Q(points_given_back=F("points")),
            ),
        ]
        indexes = [
            # Reader: the sweep of lapsed holds, also of one reward.
            models.Index(
                fields=["hold_expires_at", "reward"],
                condition=Q(state="held"),
                name="rewards_redemption_lapsing",
            ),
            # Reader: a member's codes and limits, newest first.
            models.Index(fields=["member", "-created_at", "-id"], name="rewards_redemption_newest"),
        ]

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def paid_by(self) -> int:
        """Return the row whose points pay: the member's, or that of a pool."""
        return self.payer_id or self.member_id


class Voucher(models.Model):
    """The code that a till accepts once."""

    class State(models.TextChoices):
        """Whether a till still accepts it."""

        ISSUED = "issued"
        USED = "used"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    redemption = models.OneToOneField(Redemption, models.PROTECT, related_name="voucher")
    code = models.CharField(max_length=32, unique=True)
    state = models.CharField(max_length=16, choices=State, default=State.ISSUED)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.CharField(max_length=64, blank=True, default="")
    purchase = models.ForeignKey(
        Purchase, models.PROTECT, null=True, blank=True, related_name="vouchers"
    )
    purchase_ref = models.JSONField(
        null=True, blank=True, db_comment="{source, external_id} as the till named it."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rewards_voucher_used_at",
                condition=Q(state="used", used_at__isnull=False)
                | (~Q(state="used") & Q(used_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="rewards_voucher_lifetime",
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("issued_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.code
