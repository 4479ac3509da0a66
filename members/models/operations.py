"""What staff look at to trust the books: reports of proofs, and rehearsals of what is due."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from members.models.people import Member


class LedgerReport(models.Model):
    """What one proof of the books found: each invariant, and the rows that break it."""

    made_at = models.DateTimeField()
    seconds = models.DecimalField(max_digits=8, decimal_places=1)
    entries = models.BigIntegerField(db_comment="Entries of the ledger that were proved.")
    differences = models.BigIntegerField(db_comment="Rows that break an invariant, in all.")
    findings = models.JSONField(
        db_comment="One for each invariant: name, invariant, differences, the first rows."
    )

    def __str__(self) -> str:
        return f"{self.made_at:%Y-%m-%d %H:%M}"


class Rehearsal(models.Model):
    """What would happen by itself in the next days: posted slice by slice, each rolled back."""

    days = models.PositiveSmallIntegerField()
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    starts_at = models.DateTimeField(db_comment="The instant from which days are counted.")
    until = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    members = models.PositiveIntegerField(default=0, db_comment="Members with something due.")
    done = models.PositiveIntegerField(default=0, db_comment="Members rehearsed so far.")
    skipped = models.PositiveIntegerField(
        default=0, db_comment="Members left out, since somebody else worked on them."
    )
    slices = models.PositiveIntegerField(default=0)
    longest_ms = models.PositiveIntegerField(
        default=0, db_comment="Longest time that a slice kept its locks, in milliseconds."
    )
    lines_kept = models.PositiveIntegerField(default=0)
    totals = models.JSONField(
        default=list, db_comment="What would happen in all: what, currency, times, points."
    )
    failure = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_rehearsal_days", condition=Q(days__gte=1) & Q(days__lte=366)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.starts_at:%Y-%m-%d %H:%M} + {self.days} d"


class RehearsalLine(models.Model):
    """One thing that would happen to one member."""

    rehearsal = models.ForeignKey(Rehearsal, models.CASCADE, related_name="lines")
    member = models.ForeignKey(Member, models.CASCADE, related_name="+")
    what = models.CharField(
        max_length=32, db_comment="A ledger type, tier_changed, or message:KIND of the outbox."
    )
    currency = models.CharField(max_length=64, blank=True, default="")
    points = models.BigIntegerField(default=0)
    occurs_at = models.DateTimeField()
    text = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [
            # Reader: the list of one rehearsal, by what would happen.
            models.Index(fields=["rehearsal", "what", "id"], name="members_rehearsalline_what"),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.points}"
