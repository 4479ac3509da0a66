"""Groups of members, by rule or by hand."""

from __future__ import annotations

from django.db import models

from members.models.people import Member
from members.models.program import Program


class Segment(models.Model):
    """A named group; ``where`` is the condition tree, empty for one kept by hand."""

    program = models.ForeignKey(Program, models.PROTECT, related_name="segments")
    code = models.SlugField(max_length=64)
    name = models.JSONField(default=dict)
    where = models.JSONField(null=True, blank=True)
    is_retired = models.BooleanField(default=False)
    refreshed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "code"], name="members_segment_code"),
        ]

    def __str__(self) -> str:
        return self.code


class SegmentMembership(models.Model):
    """That a member is in a segment, since when."""

    segment = models.ForeignKey(Segment, models.CASCADE, related_name="memberships")
    member = models.ForeignKey(Member, models.PROTECT, related_name="segment_memberships")
    entered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "segment"], name="members_segmentmembership_one"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} in {self.segment_id}"


class SegmentMove(models.Model):
    """That a member entered or left a segment, once for each time; written with the membership.

    Nothing ever changes a row; erasure removes those of its member.
    """

    segment = models.ForeignKey(
        Segment, models.CASCADE, related_name="moves", db_index=False, editable=False
    )
    member = models.ForeignKey(Member, models.PROTECT, related_name="segment_moves", db_index=False)
    entered = models.BooleanField(db_comment="False: the member left.")
    moved_at = models.DateTimeField()
    actor = models.CharField(max_length=64, blank=True, db_comment="Who moved them by hand.")

    class Meta:
        indexes = [
            # Reader: whoever acts on moves and goes on from the last one that it saw; the
            # segment's page, newest first.
            models.Index(fields=["segment", "id"], name="members_segmentmove_in_order"),
            # Reader: the member's page and their copy of what is held.
            models.Index(fields=["member", "-id"], name="members_segmentmove_of_member"),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {'entered' if self.entered else 'left'} {self.segment_id}"


class SegmentSnapshot(models.Model):
    """How many members a segment held at its last refresh of a day of the program's calendar."""

    segment = models.ForeignKey(
        Segment, models.CASCADE, related_name="snapshots", db_index=False, editable=False
    )
    day = models.DateField()
    members = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["segment", "day"], name="members_segmentsnapshot_day"),
        ]

    def __str__(self) -> str:
        return f"{self.segment_id} on {self.day}: {self.members}"
