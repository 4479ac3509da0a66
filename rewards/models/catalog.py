"""What points buy."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from members.models import Program


class Reward(models.Model):
    """An item of the catalog with its price, its stock and whom it is for."""

    class Kind(models.TextChoices):
        """What the member gets."""

        PHYSICAL = "physical"
        SERVICE = "service"
        DISCOUNT_FIXED = "discount_fixed"
        DISCOUNT_PERCENT = "discount_percent"
        FREE_ITEM = "free_item"
        FREE_SHIPPING = "free_shipping"
        CASHBACK = "cashback"
        GIFT_CARD = "gift_card"
        DONATION = "donation"
        TICKET = "ticket"
        BADGE = "badge"

    program = models.ForeignKey(Program, models.PROTECT, related_name="rewards")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.SlugField(max_length=64)
    kind = models.CharField(max_length=24, choices=Kind)
    name = models.JSONField(default=dict, db_comment="Name per language.")
    description = models.JSONField(default=dict, blank=True)
    points_price = models.BigIntegerField()
    value = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        db_comment="Worth for the member: money, or percent for a percent discount.",
    )
    cost = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        db_comment="What it costs the business, in the program's money.",
    )
    stock = models.BigIntegerField(
        null=True, blank=True, db_comment="Pieces left; null is without limit."
    )
    tiers = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        db_comment="Codes of the tiers that may redeem it; empty is everyone.",
    )
    segment = models.SlugField(max_length=64, blank=True)
    limit_uses = models.PositiveIntegerField(null=True, blank=True)
    limit_period = models.CharField(max_length=16, blank=True, default="")
    redeemable_from = models.DateTimeField(null=True, blank=True)
    redeemable_to = models.DateTimeField(null=True, blank=True)
    voucher_valid_days = models.PositiveIntegerField(
        null=True, blank=True, db_comment="Life of the voucher; null is a reward without one."
    )
    donation_rate = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        db_comment="Money that a cause gets for one point; null is the worth of a point.",
    )
    donation_match_percent = models.DecimalField(
        max_digits=7,
        decimal_places=4,
        default=0,
        db_default=0,
        db_comment="What the company adds to a donation, of its amount.",
    )
    donation_target = models.DecimalField(
        max_digits=16,
        decimal_places=4,
        null=True,
        blank=True,
        db_comment="What is hoped to be raised for a cause, in the program's money.",
    )
    position = models.PositiveSmallIntegerField(default=0)
    is_retired = models.BooleanField(default=False)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="rewards_reward_code"),
            models.CheckConstraint(
                name="rewards_reward_price_positive", condition=Q(points_price__gt=0)
            ),
            models.CheckConstraint(
                name="rewards_reward_stock_not_negative",
                condition=Q(stock__isnull=True) | Q(stock__gte=0),
                violation_error_message="There are not that many left.",
            ),
            models.CheckConstraint(
                name="rewards_reward_donation_sane",
                condition=(Q(donation_rate__isnull=True) | Q(donation_rate__gte=0))
                & Q(donation_match_percent__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return self.code
