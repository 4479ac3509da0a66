"""The ladder and who stood where on it, and why."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce

from members.models.people import Member
from members.models.program import Program


class TsTzRange(Func):
    """The half-open range of two instants, for the exclusion constraint."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class Tier(models.Model):
    """A rung, reached at its threshold of qualifying points."""

    program = models.ForeignKey(Program, models.PROTECT, related_name="tiers")
    code = models.SlugField(max_length=64)
    name = models.JSONField(default=dict, db_comment="Name per language.")
    threshold = models.BigIntegerField(db_comment="Qualifying points within the window.")
    benefits = models.JSONField(default=list, blank=True, db_comment="Sentences per language.")
    is_retired = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="members_tier_code"),
            models.UniqueConstraint(
                fields=["program", "threshold"],
                condition=Q(is_retired=False),
                name="members_tier_threshold",
            ),
            models.CheckConstraint(
                name="members_tier_threshold_not_negative", condition=Q(threshold__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return self.code


class TierMembership(models.Model):
    """A member's stay on a rung with the evidence of the decision.

    Never edited but for its end and the end of its grace; a late purchase supersedes rows and adds
    others.
    """

    member = models.ForeignKey(Member, models.PROTECT, related_name="tier_memberships")
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(
        null=True, blank=True, db_comment="When the window's value is compared again."
    )
    grace_ends_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        db_comment="When the member falls; set once the threshold was missed at valid_until.",
    )
    evidence = models.JSONField(default=dict)
    recorded_at = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            ExclusionConstraint(
                name="members_tiermembership_no_overlap",
                expressions=[
                    ("member", RangeOperators.EQUAL),
                    (
                        TsTzRange("starts_at", "ends_at", RangeBoundary()),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(superseded_at__isnull=True),
            ),
            models.CheckConstraint(
                name="members_tiermembership_order",
                condition=Q(ends_at__isnull=True) | Q(ends_at__gte=F("starts_at")),
            ),
        ]
        indexes = [
            # Reader: the regrading job, which leaves alone whoever waits for the end of the grace.
            models.Index(
                Coalesce("grace_ends_at", "valid_until"),
                condition=Q(superseded_at__isnull=True, ends_at__isnull=True),
                name="members_tiermembership_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tier_id} from {self.starts_at:%Y-%m-%d}"
