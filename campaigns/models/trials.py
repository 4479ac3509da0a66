"""What a draft would have done on the real history: reports that are kept as they were made."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from members.models import Program


class Backtest(models.Model):
    """A draft program replayed on the history beside the live one; kept once it is finished.

    An approval names it by the digest of the draft's text, so that whoever approves sees whether
    the report is about just this text.
    """

    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200, blank=True, default="")
    draft = models.JSONField(db_comment="The draft program in canonical form.")
    draft_digest = models.CharField(max_length=64, db_comment="SHA-256 of what the draft says.")
    live_digest = models.CharField(
        max_length=64, db_comment="SHA-256 of the program that it was compared with."
    )
    seed = models.PositiveIntegerField(db_comment="Of the draws behind the ranges.")
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    starts_at = models.DateTimeField(
        null=True, blank=True, db_comment="From when the draft holds; null from the beginning."
    )
    ends_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    members = models.PositiveIntegerField(default=0, db_comment="Members with a history.")
    done = models.PositiveIntegerField(default=0, db_comment="Members replayed so far.")
    extent = models.JSONField(
        default=dict, blank=True, db_comment="How far the history reached: counts, newest rows."
    )
    extent_digest = models.CharField(max_length=64, blank=True, default="")
    figures = models.JSONField(default=dict, blank=True, db_comment="The report; empty before.")
    failure = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="campaigns_backtest_window",
                condition=Q(starts_at__isnull=True) | Q(starts_at__lt=F("ends_at")),
            ),
            models.CheckConstraint(
                name="campaigns_backtest_finished_after_start",
                condition=Q(finished_at__isnull=True) | Q(started_at__isnull=False),
            ),
        ]
        indexes = [
            # Reader: whoever approves a draft looks for the reports about its text.
            models.Index(fields=["draft_digest", "-id"], name="campaigns_backtest_of_draft"),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.requested_at:%Y-%m-%d %H:%M}"
