"""Points given to a cause, and the bank documents by which the money reached it."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from members.models import Program, User
from rewards.models.catalog import Reward
from rewards.models.redemptions import Redemption


class Donation(models.Model):
    """What a redemption of a cause is worth, at the rate of its moment; never changed.

    ``rewards/sql/donations.sql`` holds the amounts to the points and the rates. A donation whose
    redemption was cancelled is worth nothing any more.
    """

    redemption = models.OneToOneField(
        Redemption, models.PROTECT, primary_key=True, related_name="donation"
    )
    reward = models.ForeignKey(Reward, models.PROTECT, related_name="donations")
    points = models.BigIntegerField()
    rate = models.DecimalField(
        max_digits=12, decimal_places=6, db_comment="Money for one point, in the program's money."
    )
    match_percent = models.DecimalField(
        max_digits=7, decimal_places=4, db_comment="What the company adds, of the amount."
    )
    digits = models.PositiveSmallIntegerField(
        db_comment="Decimal places of the program's money, to which amounts are rounded half up."
    )
    amount = models.DecimalField(
        max_digits=16, decimal_places=4, db_comment="The points in money, rounded once."
    )
    match_amount = models.DecimalField(
        max_digits=16, decimal_places=4, db_comment="What the company adds, rounded once."
    )
    donated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="rewards_donation_sane",
                condition=Q(points__gt=0, rate__gte=0, match_percent__gte=0, digits__lte=4),
            ),
        ]

    def __str__(self) -> str:
        return str(self.redemption_id)


class Payout(models.Model):
    """A bank document that paid donations to one cause: exactly their sum, or the row is void."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    reward = models.ForeignKey(Reward, models.PROTECT, related_name="payouts")
    document_date = models.DateField(db_comment="Date on the bank document.")
    reference = models.CharField(max_length=64, db_comment="Number of the bank document.")
    amount = models.DecimalField(
        max_digits=16,
        decimal_places=4,
        db_comment="What the document paid, in the program's money.",
    )
    recorded_at = models.DateTimeField()
    recorded_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    voided_at = models.DateTimeField(
        null=True, blank=True, db_comment="When it was taken back; its donations are unpaid again."
    )
    voided_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reward", "reference"],
                condition=Q(voided_at__isnull=True),
                name="rewards_payout_document_once",
                violation_error_message="This document is recorded already.",
            ),
            models.CheckConstraint(name="rewards_payout_positive", condition=Q(amount__gt=0)),
            models.CheckConstraint(
                name="rewards_payout_voided_by_somebody",
                condition=Q(voided_at__isnull=True, voided_by__isnull=True)
                | Q(voided_at__isnull=False, voided_by__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class PayoutLine(models.Model):
    """A donation that a bank document paid, with what it paid for it."""

    payout = models.ForeignKey(Payout, models.PROTECT, related_name="lines")
    donation = models.ForeignKey(
        Donation, models.PROTECT, related_name="payout_lines", db_index=False
    )
    amount = models.DecimalField(
        max_digits=16, decimal_places=4, db_comment="The donation with what the company adds."
    )
    is_open = models.BooleanField(default=True, db_comment="Cleared when the payout is voided.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["donation"],
                condition=Q(is_open=True),
                name="rewards_payoutline_donation_once",
                violation_error_message="A donation is paid out once.",
            ),
            models.UniqueConstraint(
                fields=["payout", "donation"], name="rewards_payoutline_identity"
            ),
            models.CheckConstraint(name="rewards_payoutline_positive", condition=Q(amount__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.amount} for {self.donation_id}"
