"""Points for many members at once: a file or a segment, row by row."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from members.models.approvals import AdjustmentReason, Approval, staff_column
from members.models.ledger import LedgerTransaction
from members.models.people import Member
from members.models.program import PointCurrency, Program
from members.models.tiers import Tier


class PointBatch(models.Model):
    """A file of opening balances or of adjustments: checked, approved by its total, posted."""

    class Kind(models.TextChoices):
        """What the rows are; also the act of the approval."""

        IMPORT = "import", _("opening balances")
        CREDIT = "batch_credit", _("points given")
        DEBIT = "batch_debit", _("points taken")

    class State(models.TextChoices):
        """How far the batch is."""

        CHECKED = "checked", _("checked")
        REQUESTED = "requested", _("waiting")
        POSTING = "posting", _("being posted")
        POSTED = "posted", _("posted")
        REVERSING = "reversing", _("being reversed")
        REVERSED = "reversed", _("reversed")
        DISCARDED = "discarded", _("discarded")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+")
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    name = models.CharField(max_length=120, db_comment="What the file was called.")
    digest = models.CharField(max_length=64, db_comment="SHA-256 of what the rows came from.")
    reason = models.ForeignKey(
        AdjustmentReason, models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.TextField(blank=True, db_comment="What every member of it reads.")
    state = models.CharField(max_length=16, choices=State, default=State.CHECKED)
    is_into_debt = models.BooleanField(
        default=False, db_comment="Whether a reversal makes debt of what is not there any more."
    )
    row_count = models.PositiveIntegerField(default=0)
    refused_count = models.PositiveIntegerField(
        default=0, db_comment="Rows that the check refused."
    )
    points = models.BigIntegerField(default=0, db_comment="Sum of the rows that were not refused.")
    created_by = staff_column()
    created_at = models.DateTimeField()
    approval = models.OneToOneField(
        Approval, models.PROTECT, null=True, blank=True, related_name="batch"
    )

    class Meta:
        verbose_name_plural = "point batches"
        constraints = [
            # A file that stands, or may yet be posted, is not taken a second time.
            models.UniqueConstraint(
                fields=["digest", "kind", "currency"],
                condition=~Q(state__in=["discarded", "reversed"]),
                name="members_pointbatch_once",
            ),
            models.CheckConstraint(
                name="members_pointbatch_approved",
                condition=Q(state__in=["checked", "discarded"], approval__isnull=True)
                | Q(approval__isnull=False) & ~Q(state="checked"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class PointBatchRow(models.Model):
    """One line of a batch; who was meant is kept by number, never by the text of the file."""

    class State(models.TextChoices):
        """What became of the row."""

        READY = "ready", _("ready")
        REFUSED = "refused", _("refused")
        POSTED = "posted", _("posted")
        REVERSED = "reversed", _("reversed")

    batch = models.ForeignKey(PointBatch, models.PROTECT, related_name="rows", db_index=False)
    line = models.PositiveIntegerField(db_comment="Line of the file, from 1.")
    member = models.ForeignKey(Member, models.PROTECT, null=True, blank=True, related_name="+")
    points = models.BigIntegerField(default=0)
    earned_at = models.DateTimeField(null=True, blank=True)
    available_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    tier = models.ForeignKey(Tier, models.PROTECT, null=True, blank=True, related_name="+")
    tier_until = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.READY)
    problem = models.CharField(
        max_length=200, blank=True, db_comment="Column and what was expected; never what stood."
    )
    transaction = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="batch_row"
    )
    reversal = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )
    kept_points = models.BigIntegerField(
        null=True, blank=True, db_comment="What a reversal did not find any more."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="members_pointbatchrow_line"),
            models.CheckConstraint(
                name="members_pointbatchrow_whole",
                condition=Q(state="refused")
                | Q(member__isnull=False, earned_at__isnull=False, points__gte=0),
            ),
        ]
        indexes = [
            # Reader: the job that posts and reverses, and the list of refused rows.
            models.Index(fields=["batch", "state", "line"], name="members_pointbatchrow_state"),
        ]

    def __str__(self) -> str:
        return f"line {self.line}"
