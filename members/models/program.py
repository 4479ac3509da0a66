"""The program, its point currencies and its stores."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class Program(models.Model):
    """The container of currencies, tiers, rules and the time zone they are judged in."""

    code = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    currency = models.CharField(max_length=3, db_comment="ISO 4217 code of the program's money.")
    timezone = models.CharField(max_length=64, db_comment="IANA zone that days are counted in.")
    locale = models.CharField(max_length=16, default="en")
    claim_days = models.PositiveIntegerField(
        default=30, db_comment="Days after a purchase within which it can be claimed."
    )
    tier_policy = models.JSONField(
        default=dict,
        blank=True,
        db_comment="{currency, months, downgrade, grace_days}; empty when there are no tiers.",
    )
    pools = models.JSONField(
        default=dict,
        blank=True,
        db_default={},
        db_comment="Terms of pools by kind; empty where there are none.",
    )
    document = models.JSONField(
        default=dict, blank=True, db_comment="The program file as it was last applied."
    )
    version = models.PositiveIntegerField(
        default=0, db_comment="Counts what was published; caches compare it."
    )

    class Meta:
        constraints = [
            # One installation holds one program for now; every reader relies on it.
            models.UniqueConstraint(models.Value(1), name="members_program_single"),
            models.CheckConstraint(
                name="members_program_currency_iso", condition=Q(currency__regex="^[A-Z]{3}$")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PointCurrency(models.Model):
    """A unit of points: redeemable ones buy rewards, qualifying ones lift tiers."""

    class Kind(models.TextChoices):
        """What points of the currency are good for."""

        REDEEMABLE = "redeemable"
        QUALIFYING = "qualifying"

    program = models.ForeignKey(Program, models.PROTECT, related_name="currencies")
    code = models.SlugField(max_length=64)
    kind = models.CharField(max_length=16, choices=Kind)
    names = models.JSONField(
        default=dict, blank=True, db_comment="Plural forms per language: {en: {one, other}}."
    )
    position = models.PositiveSmallIntegerField(default=0)
    value = models.DecimalField(
        max_digits=12,
        decimal_places=6,
        default=0,
        db_comment="Worth of one point in the program's money.",
    )
    expiry = models.JSONField(default=dict, blank=True, db_comment="The expiry model.")
    pending_days = models.PositiveIntegerField(default=0)
    pending = models.JSONField(
        null=True,
        blank=True,
        db_comment="{days} or {until, type, at_most_days}, in the place of pending_days.",
    )
    returns_policy = models.CharField(max_length=16, default="into_debt")
    debt_limit = models.BigIntegerField(
        default=0, db_comment="Largest debt, in points, that a return may leave."
    )
    grace_days = models.PositiveIntegerField(
        default=30, db_comment="Life, in days, of points that come back after they expired."
    )
    transfers = models.JSONField(
        default=dict,
        blank=True,
        db_default={},
        db_comment="Terms of transfers between members; empty where there are none.",
    )
    is_retired = models.BooleanField(default=False)

    class Meta:
        verbose_name_plural = "point currencies"
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="members_pointcurrency_code"),
            # Target of the composite keys that tie accounts and entries to one program.
            models.UniqueConstraint(
                fields=["id", "program", "kind"], name="members_pointcurrency_identity"
            ),
            models.CheckConstraint(
                name="members_pointcurrency_returns_policy",
                condition=Q(returns_policy__in=["only_pending", "within_balance", "into_debt"]),
            ),
            models.CheckConstraint(
                name="members_pointcurrency_debt_limit", condition=Q(debt_limit__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Store(models.Model):
    """A place of sale, known by the code that its tills send."""

    program = models.ForeignKey(Program, models.PROTECT, related_name="stores")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.CharField(max_length=64)
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="members_store_code"),
        ]

    def __str__(self) -> str:
        return self.name or self.code
