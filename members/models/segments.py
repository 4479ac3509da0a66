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
