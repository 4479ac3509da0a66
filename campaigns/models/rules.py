"""Why points are given: campaigns, rules and their published versions."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from members.models import Program


class Campaign(models.Model):
    """A promotion with a window and a budget."""

    class Status(models.TextChoices):
        """Where it is in its life, by ``campaigns/lifecycle.py``; only active ones give points."""

        DRAFT = "draft", _("draft")
        IN_REVIEW = "in_review", _("in review")
        SCHEDULED = "scheduled", _("scheduled")
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        ENDED = "ended", _("ended")
        ARCHIVED = "archived", _("archived")

    program = models.ForeignKey(Program, models.PROTECT, related_name="campaigns")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.SlugField(max_length=64)
    name = models.JSONField(default=dict)
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    budget_points = models.BigIntegerField(null=True, blank=True)
    budget_money = models.DecimalField(
        max_digits=16,
        decimal_places=4,
        null=True,
        blank=True,
        db_comment="What the points that it gives may be worth, in the program's currency.",
    )
    budget_uses = models.BigIntegerField(
        null=True, blank=True, db_comment="For how many purchases and events it gives something."
    )
    is_retired = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="campaigns_campaign_code"),
            models.CheckConstraint(
                name="campaigns_campaign_window",
                condition=Q(starts_at__isnull=True)
                | Q(ends_at__isnull=True)
                | Q(ends_at__gt=F("starts_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class EarningRule(models.Model):
    """A rule by its lasting name; what it says stands in its versions."""

    program = models.ForeignKey(Program, models.PROTECT, related_name="rules")
    campaign = models.ForeignKey(
        Campaign, models.PROTECT, null=True, blank=True, related_name="rules"
    )
    code = models.SlugField(max_length=64)
    is_retired = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="campaigns_earningrule_code"),
        ]

    def __str__(self) -> str:
        return self.code


class RuleVersion(models.Model):
    """What a rule said from the moment it was published; never changed."""

    rule = models.ForeignKey(EarningRule, models.PROTECT, related_name="versions")
    version = models.PositiveIntegerField()
    definition = models.JSONField(db_comment="The rule with its campaign's window and budget.")
    published_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "version"], name="campaigns_ruleversion_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} v{self.version}"


class Publication(models.Model):
    """The set of rule versions that holds for what is recorded after it.

    A purchase is judged by the newest publication whose ``effective_from`` is
    not after it; null is unbounded.
    """

    program = models.ForeignKey(Program, models.PROTECT, related_name="publications")
    number = models.PositiveIntegerField()
    published_at = models.DateTimeField()
    effective_from = models.DateTimeField(null=True, blank=True)
    rule_versions = ArrayField(
        models.BigIntegerField(), default=list, db_comment="RuleVersion ids, in order."
    )
    caps = models.JSONField(
        default=list,
        blank=True,
        db_comment="[{per, period, currency, points}]: what all rules together may give.",
    )
    stacking = models.JSONField(
        default=dict,
        blank=True,
        db_comment="{multipliers, groups, exclusive, not_together}; empty where all apply.",
    )
    actor = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program", "number"], name="campaigns_publication_number"
            ),
        ]

    def __str__(self) -> str:
        return f"publication {self.number}"


class LimitCounter(models.Model):
    """How much of a limit or budget is used, by one subject in one period."""

    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    scope = models.CharField(max_length=16, db_comment="rule, program or campaign")
    code = models.CharField(max_length=64)
    per = models.CharField(max_length=16, db_comment="member, store, device or program")
    subject = models.CharField(max_length=64, blank=True, default="")
    period = models.CharField(max_length=16)
    period_start = models.CharField(
        max_length=10, blank=True, default="", db_comment="Program-local day; empty for lifetime."
    )
    currency = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_comment="Empty for uses; $ for money, whose points are ten-thousandths.",
    )
    points = models.BigIntegerField(default=0)
    uses = models.BigIntegerField(default=0)
    points_limit = models.BigIntegerField(null=True, blank=True)
    uses_limit = models.BigIntegerField(null=True, blank=True)
    told_percent = models.PositiveSmallIntegerField(
        default=0, db_comment="How much of a budget staff were told of: 0, 80 or 100."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    *("code", "subject", "period_start", "currency"),
                    *("per", "period", "scope", "program"),
                ],
                name="campaigns_limitcounter_key",
            ),
            models.CheckConstraint(
                name="campaigns_limitcounter_not_negative",
                condition=Q(points__gte=0, uses__gte=0),
            ),
            models.CheckConstraint(
                name="campaigns_limitcounter_within",
                condition=Q(points_limit__isnull=True) | Q(points__lte=F("points_limit")),
            ),
            models.CheckConstraint(
                name="campaigns_limitcounter_uses_within",
                condition=Q(uses_limit__isnull=True) | Q(uses__lte=F("uses_limit")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.per} {self.period_start}"

    @property
    def bound(self) -> int | None:
        """Return what may be used of what it counts, None where the row itself is not bound."""
        return self.points_limit if self.currency else self.uses_limit
