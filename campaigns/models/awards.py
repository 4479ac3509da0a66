"""What rules gave, line by line, and what returns took back of it."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from campaigns.models.rules import RuleVersion
from members.models import (
    LedgerTransaction,
    Member,
    PointCurrency,
    Program,
    Purchase,
    Return,
)


class Event(models.Model):
    """Something a member did that is not a purchase."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="events")
    type = models.CharField(
        max_length=96, db_comment="Of an occasion the trigger of its rules; its source is program."
    )
    source = models.CharField(max_length=64)
    external_id = models.CharField(max_length=128)
    content_key = models.BinaryField()
    payload = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    evaluation = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["external_id", "source", "program"], name="campaigns_event_business_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.external_id}"


class Award(models.Model):
    """What one rule gave for one purchase or event, with the sentence that explains it."""

    purchase = models.ForeignKey(
        Purchase, models.PROTECT, null=True, blank=True, related_name="awards", db_index=False
    )
    event = models.ForeignKey(
        Event, models.PROTECT, null=True, blank=True, related_name="awards", db_index=False
    )
    member = models.ForeignKey(Member, models.PROTECT, related_name="awards", db_index=False)
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+", db_index=False)
    rule_version = models.ForeignKey(
        RuleVersion, models.PROTECT, related_name="awards", db_index=False
    )
    transaction = models.ForeignKey(
        LedgerTransaction,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="awards",
        db_index=False,
        db_comment="Null where a limit left nothing to post.",
    )
    position = models.PositiveSmallIntegerField(db_comment="Order on the receipt.")
    requested = models.BigIntegerField()
    points = models.BigIntegerField(db_comment="Granted after limits.")
    taken_back = models.BigIntegerField(
        default=0, editable=False, db_comment="Moved by the reversals' trigger alone."
    )
    capped_by = models.CharField(max_length=32, blank=True, default="")
    text = models.CharField(max_length=500)
    line_id = models.CharField(max_length=64, blank=True, default="")
    attribution = ArrayField(
        models.BigIntegerField(),
        default=list,
        blank=True,
        db_comment="Points per line of the purchase, in the lines' order; frozen.",
    )
    limit_uses = models.JSONField(
        default=list, blank=True, db_comment="Counters that it used, released by returns."
    )
    available_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="campaigns_award_of_one_thing",
                condition=Q(purchase__isnull=False, event__isnull=True)
                | Q(purchase__isnull=True, event__isnull=False),
            ),
            models.CheckConstraint(
                name="campaigns_award_within_request",
                condition=Q(points__gte=0) & Q(points__lte=F("requested")),
            ),
            models.CheckConstraint(
                name="campaigns_award_taken_back_within",
                condition=Q(taken_back__gte=0) & Q(taken_back__lte=F("points")),
            ),
        ]
        indexes = [
            # Reader: receipts of a purchase and its returns.
            models.Index(
                fields=["purchase"],
                condition=Q(purchase__isnull=False),
                name="campaigns_award_of_purchase",
            ),
            models.Index(
                fields=["event"],
                condition=Q(event__isnull=False),
                name="campaigns_award_of_event",
            ),
            # Reader: the receipt of a statement's line.
            models.Index(
                fields=["transaction"],
                condition=Q(transaction__isnull=False),
                name="campaigns_award_of_transaction",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} by {self.rule_version_id}"


class AwardReversal(models.Model):
    """What a return took back of an award; never changed."""

    award = models.ForeignKey(Award, models.PROTECT, related_name="reversals")
    goods_return = models.ForeignKey(Return, models.PROTECT, related_name="award_reversals")
    points = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["goods_return", "award"], name="campaigns_awardreversal_one"
            ),
            models.CheckConstraint(
                name="campaigns_awardreversal_positive", condition=Q(points__gt=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} of {self.award_id}"
