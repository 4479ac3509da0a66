"""Purchases that members miss points of, and that staff look for."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from members.models import Member, Program, Purchase


class ClaimCase(models.Model):
    """What a member said of a receipt that no unidentified purchase matched, and what became of it.

    What the member and staff wrote is emptied with the person.
    """

    class State(models.TextChoices):
        """How far it is."""

        OPEN = "open"
        GRANTED = "granted"
        REFUSED = "refused"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="claim_cases", db_index=False)
    receipt = models.CharField(max_length=64, blank=True, db_comment="Its number; erasable.")
    day = models.DateField(db_comment="Day on the receipt, of the program's calendar.")
    total = models.DecimalField(
        max_digits=14, decimal_places=4, db_comment="Sum of the receipt in the program's money."
    )
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    purchase = models.OneToOneField(
        Purchase, models.PROTECT, null=True, blank=True, related_name="claim_case"
    )
    answer = models.CharField(
        max_length=200, blank=True, default="", db_comment="What the member is told; erasable."
    )
    made_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="campaigns_claimcase_state",
                condition=Q(state="open", decided_at__isnull=True, purchase__isnull=True)
                | Q(state="granted", decided_at__isnull=False, purchase__isnull=False)
                | Q(state="refused", decided_at__isnull=False, purchase__isnull=True),
            ),
            models.CheckConstraint(
                name="campaigns_claimcase_total_positive", condition=Q(total__gt=0)
            ),
            # A second press, or the same receipt again, waits once.
            models.UniqueConstraint(
                fields=["member", "receipt", "day", "total"],
                condition=Q(state="open"),
                name="campaigns_claimcase_waits_once",
            ),
        ]
        indexes = [
            # Reader: a member's cases, newest first, and how many wait.
            models.Index(fields=["member", "-made_at", "-id"], name="campaigns_claimcase_member"),
            # Reader: what staff have to decide, the oldest first.
            models.Index(
                fields=["made_at", "id"],
                condition=Q(state="open"),
                name="campaigns_claimcase_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receipt} {self.day:%Y-%m-%d}"
