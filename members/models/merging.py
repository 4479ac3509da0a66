"""Two rows of one person: pairs that look like it, and merges that can be undone."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from members.models.people import Member
from members.models.program import Program


class MemberMerge(models.Model):
    """One merge: who went into whom, what moved, and whether it was undone.

    Only its undoing is ever written later.
    """

    class KeepTier(models.TextChoices):
        """Which tier the survivor has afterwards, at least."""

        HIGHER = "higher"
        OWN = "own"

    class Vouchers(models.TextChoices):
        """What becomes of the codes that the merged member has not used."""

        KEEP = "keep"
        CANCEL = "cancel"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    survivor = models.ForeignKey(Member, models.PROTECT, related_name="merges")
    merged = models.ForeignKey(Member, models.PROTECT, related_name="merged_by")
    tier = models.CharField(max_length=8, choices=KeepTier)
    vouchers = models.CharField(max_length=8, choices=Vouchers)
    reason = models.CharField(max_length=200, db_comment="Why; never anything personal.")
    moved = models.JSONField(
        default=dict,
        db_comment="What an undoing gives back: identifiers and logins by row, points by currency.",
    )
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_membermerge_of_two", condition=~Q(survivor=F("merged"))
            ),
            models.UniqueConstraint(
                fields=["merged"],
                condition=Q(undone_at__isnull=True),
                name="members_membermerge_once",
            ),
            models.CheckConstraint(
                name="members_membermerge_undone_later",
                condition=Q(undone_at__isnull=True) | Q(undone_at__gte=F("made_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merged} into {self.survivor}"


class MergeCandidate(models.Model):
    """Two members who look like one person; ``first`` is the older row."""

    class State(models.TextChoices):
        """What staff made of the pair."""

        OPEN = "open"
        DISMISSED = "dismissed"
        MERGED = "merged"

    program = models.ForeignKey(Program, models.PROTECT, related_name="+")
    first = models.ForeignKey(Member, models.CASCADE, related_name="+")
    second = models.ForeignKey(Member, models.CASCADE, related_name="+")
    score = models.PositiveSmallIntegerField(db_comment="From 0 to 100: how much speaks for it.")
    reasons = models.JSONField(default=list, db_comment="Codes of what speaks for it.")
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    found_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="members_mergecandidate_pair"),
            models.CheckConstraint(
                name="members_mergecandidate_ordered", condition=Q(first__lt=F("second"))
            ),
        ]
        indexes = [
            # Reader: the list of what is to be decided, the likeliest first.
            models.Index(fields=["state", "-score", "id"], name="members_mergecandidate_open"),
        ]

    def __str__(self) -> str:
        return f"{self.first}, {self.second}"
