"""Points that one member sends to another."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from members.models.ledger import LedgerTransaction
from members.models.people import Member
from members.models.program import PointCurrency, Program


class Transfer(models.Model):
    """A gift of points on its way, and how it ended; ``members/sql/transfers.sql`` keeps it true.

    The points and the fee are held from the start. They leave for the recipient at
    ``completes_at``, or go back to the lots that they came from.
    """

    class State(models.TextChoices):
        """How far it is."""

        REQUESTED = "requested"
        COMPLETED = "completed"
        CANCELLED = "cancelled"
        REFUSED = "refused"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    currency = models.ForeignKey(PointCurrency, models.PROTECT, related_name="+", db_index=False)
    sender = models.ForeignKey(
        Member, models.PROTECT, related_name="transfers_sent", db_index=False
    )
    recipient = models.ForeignKey(
        Member,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="transfers_received",
        db_index=False,
        db_comment="Empty where nobody is known by what the sender wrote.",
    )
    recipient_hint = models.CharField(
        max_length=128, blank=True, db_comment="What the sender wrote, masked; erasable."
    )
    points = models.BigIntegerField(db_comment="What the recipient gets.")
    fee = models.BigIntegerField(default=0, db_comment="What the sender pays on top, in points.")
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    reason = models.CharField(
        max_length=32, blank=True, default="", db_comment="Why it was cancelled or refused."
    )
    day = models.DateField(db_comment="Day of the request in the program's calendar, for the cap.")
    requested_at = models.DateTimeField()
    completes_at = models.DateTimeField(db_comment="Until then the sender can cancel.")
    paused_at = models.DateTimeField(
        null=True, blank=True, db_comment="When staff stopped it; it waits until they let it go."
    )
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=64, db_comment="Member, job or staff key.")
    hold = models.OneToOneField(LedgerTransaction, models.PROTECT, related_name="+")
    departure = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )
    arrival = models.OneToOneField(
        LedgerTransaction, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_transfer_points_sane",
                condition=Q(points__gt=0, points__lte=10**12, fee__gte=0, fee__lte=10**12),
            ),
            models.CheckConstraint(
                name="members_transfer_not_to_oneself",
                condition=Q(recipient__isnull=True) | ~Q(recipient=F("sender")),
            ),
            models.CheckConstraint(
                name="members_transfer_state",
                condition=Q(state__in=["requested", "completed", "cancelled", "refused"]),
            ),
            models.CheckConstraint(
                name="members_transfer_completed_moved",
                condition=Q(
                    state="completed",
                    recipient__isnull=False,
                    departure__isnull=False,
                    arrival__isnull=False,
                )
                | (~Q(state="completed") & Q(departure__isnull=True, arrival__isnull=True)),
            ),
            models.CheckConstraint(
                name="members_transfer_paused_while_requested",
                condition=Q(paused_at__isnull=True) | Q(state="requested"),
            ),
            models.CheckConstraint(
                name="members_transfer_completes_later",
                condition=Q(completes_at__gte=F("requested_at")),
            ),
        ]
        indexes = [
            # Reader: the job that completes what is due.
            models.Index(
                fields=["completes_at", "id"],
                condition=Q(state="requested", paused_at__isnull=True),
                name="members_transfer_due",
            ),
            # Readers: the sender's list, and their daily cap.
            models.Index(fields=["sender", "-requested_at", "-id"], name="members_transfer_sender"),
            # Reader: what came to a member.
            models.Index(
                fields=["recipient", "-requested_at", "-id"], name="members_transfer_recipient"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.points} {self.state}"
