"""What rules gave beside points, and what returns did with it."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from campaigns.models.awards import Event
from campaigns.models.rules import RuleVersion
from members.models import Member, Program, Purchase, Return


class RuleGrant(models.Model):
    """A voucher, a message or a tier that one rule gave for one purchase or event; never changed.

    ``given`` names what was made, such as a redemption, and holds nothing personal.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    purchase = models.ForeignKey(
        Purchase, models.PROTECT, null=True, blank=True, related_name="grants", db_index=False
    )
    event = models.ForeignKey(
        Event, models.PROTECT, null=True, blank=True, related_name="grants", db_index=False
    )
    member = models.ForeignKey(Member, models.PROTECT, related_name="grants")
    rule_version = models.ForeignKey(
        RuleVersion, models.PROTECT, related_name="grants", db_index=False
    )
    effect = models.PositiveSmallIntegerField(db_comment="Position among the rule's effects.")
    kind = models.CharField(max_length=32)
    text = models.CharField(max_length=500)
    given = models.JSONField(default=dict, blank=True)
    line_ids = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        db_comment="Lines that earned it; empty is the whole purchase.",
    )
    limit_uses = models.JSONField(
        default=list, blank=True, db_comment="Counters that it used, released by returns."
    )
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="campaigns_rulegrant_of_one_thing",
                condition=Q(purchase__isnull=False, event__isnull=True)
                | Q(purchase__isnull=True, event__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["purchase", "rule_version", "effect"],
                condition=Q(purchase__isnull=False),
                name="campaigns_rulegrant_once_a_purchase",
            ),
            models.UniqueConstraint(
                fields=["event", "rule_version", "effect"],
                condition=Q(event__isnull=False),
                name="campaigns_rulegrant_once_an_event",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} by {self.rule_version_id}"


class RuleGrantReversal(models.Model):
    """What a return did with a grant: it was taken back, or it was kept and why; never changed."""

    class Outcome(models.TextChoices):
        """What became of it."""

        TAKEN_BACK = "taken_back"
        USED = "used"
        CHANGED = "changed"
        STAYS = "stays"

    grant = models.OneToOneField(RuleGrant, models.PROTECT, related_name="reversal")
    goods_return = models.ForeignKey(Return, models.PROTECT, related_name="grant_reversals")
    outcome = models.CharField(max_length=16, choices=Outcome)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="campaigns_rulegrantreversal_outcome",
                condition=Q(outcome__in=["taken_back", "used", "changed", "stays"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome}: {self.grant_id}"
