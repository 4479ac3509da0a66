"""Lots of points, and what transactions used of them.

As with the other books, ``members/sql/ledger.sql`` keeps the rules of these tables.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from members.models.ledger import LedgerAccount, LedgerTransaction


class PointLot(models.Model):
    """Points earned together, that become available and expire together."""

    transaction = models.ForeignKey(
        LedgerTransaction, models.PROTECT, related_name="lots", db_index=False, db_constraint=False
    )
    account = models.ForeignKey(
        LedgerAccount, models.PROTECT, related_name="lots", db_index=False, db_constraint=False
    )
    points = models.BigIntegerField()
    remaining = models.BigIntegerField(db_comment="Moved by the lot uses' trigger alone.")
    earned_at = models.DateTimeField()
    available_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        null=True, blank=True, db_comment="First instant at which the points are of no use."
    )
    renew_months = models.SmallIntegerField(
        null=True,
        blank=True,
        db_comment="Months that the lot lasts at least after a renewing act; null is not renewed.",
    )
    waits_for = models.CharField(
        max_length=80,
        blank=True,
        default="",
        db_default="",
        db_comment="What makes the points available before available_at: event:TYPE or approval.",
    )
    moved_from = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="moved_to", db_index=False
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    *("transaction", "account", "available_at", "expires_at", "moved_from"),
                    "waits_for",
                ],
                nulls_distinct=False,
                name="members_pointlot_one",
            ),
            models.CheckConstraint(
                name="members_pointlot_remaining_within",
                condition=Q(remaining__gte=0) & Q(remaining__lte=models.F("points")),
            ),
        ]
        indexes = [
            # Reader: debits of an account, soonest expiry first.
            models.Index(
                fields=["account", "expires_at", "id"],
                condition=Q(remaining__gt=0),
                name="members_pointlot_open",
            ),
            # Reader: the jobs that look for what is due, whoever it belongs to.
            models.Index(
                fields=["expires_at"],
                condition=Q(remaining__gt=0),
                name="members_pointlot_expiring",
            ),
            # Lots that were available when they were earned, and those moved when they became
            # available, are left out: they would be nearly all.
            models.Index(
                fields=["available_at"],
                condition=Q(remaining__gt=0, available_at__gt=models.F("earned_at")),
                name="members_pointlot_activating",
            ),
            # Reader: staff who look for points that wait for their hand.
            models.Index(
                fields=["waits_for"],
                condition=Q(remaining__gt=0) & ~Q(waits_for=""),
                name="members_pointlot_waiting",
            ),
            # Reader: returns and releases that follow moved points.
            models.Index(
                fields=["moved_from"],
                condition=Q(moved_from__isnull=False),
                name="members_pointlot_moved",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining}/{self.points}"


class LotUse(models.Model):
    """What a transaction took from a lot; below zero where it gave points back."""

    class Kind(models.TextChoices):
        """Why the lot was touched."""

        REDEEM = "redeem"
        HOLD = "hold"
        EXPIRE = "expire"
        ACTIVATE = "activate"
        CLAWBACK = "clawback"
        DEBT = "debt"
        GIVE_BACK = "give_back"
        ADJUST = "adjust"
        MOVE = "move"

    transaction = models.ForeignKey(
        LedgerTransaction,
        models.PROTECT,
        related_name="lot_uses",
        db_index=False,
        db_constraint=False,
    )
    lot = models.ForeignKey(PointLot, models.PROTECT, related_name="uses", db_constraint=False)
    kind = models.CharField(max_length=16, choices=Kind)
    points = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "lot", "kind"], name="members_lotuse_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} of {self.lot_id}"
