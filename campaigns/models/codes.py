"""Codes that earn: printed in a lid, on a receipt or on a poster, and worth points once."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from campaigns.models.awards import Event
from members.models import Member, Program, User


class CodeBatch(models.Model):
    """Codes that were made together; each becomes an event of type ``code`` once.

    The codes themselves are shown when they are made and never again.
    """

    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.SlugField(
        max_length=64, db_comment="What rules know the batch by: event.payload.batch."
    )
    name = models.CharField(max_length=100)
    count = models.PositiveIntegerField()
    store = models.CharField(max_length=64, blank=True, default="")
    amount = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        db_comment="Money on the receipt that the codes are printed on.",
    )
    valid_from = models.DateTimeField(null=True, blank=True)
    valid_until = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "code batches"
        constraints = [
            models.UniqueConstraint(fields=["code", "program"], name="campaigns_codebatch_code"),
            models.CheckConstraint(
                name="campaigns_codebatch_window",
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_until__gt=F("valid_from")),
            ),
            models.CheckConstraint(
                name="campaigns_codebatch_count", condition=Q(count__gt=0, count__lte=100_000)
            ),
        ]

    def __str__(self) -> str:
        return self.code


class EarningCode(models.Model):
    """One code, known by its digest alone, and what became of it.

    Whoever reads the table can redeem none of them. Once redeemed a row never changes.
    """

    batch = models.ForeignKey(CodeBatch, models.PROTECT, related_name="codes")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    digest = models.BinaryField(db_comment="SHA-256 of the code without its hyphens.")
    member = models.ForeignKey(
        Member, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    event = models.OneToOneField(
        Event, models.PROTECT, null=True, blank=True, related_name="earning_code"
    )
    redeemed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["digest"], name="campaigns_earningcode_digest"),
            models.CheckConstraint(
                name="campaigns_earningcode_whole",
                condition=Q(member__isnull=True, event__isnull=True, redeemed_at__isnull=True)
                | Q(member__isnull=False, event__isnull=False, redeemed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)
