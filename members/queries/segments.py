"""What a segment's page shows: its size over time, and who came and went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet

from members.models import Segment, SegmentMembership, SegmentMove, SegmentSnapshot


@dataclass(frozen=True, slots=True)
class Size:
    """How many members a segment had at the end of a day."""

    day: date
    members: int


def size_now(*, segment: Segment) -> int:
    """Return how many members are in the segment, as of its last refresh or act by hand."""
    return SegmentMembership.objects.filter(segment=segment).count()


def sizes(*, segment: Segment, since: date) -> list[Size]:
    """Return the snapshots from the day on, the oldest first."""
    rows = SegmentSnapshot.objects.filter(segment=segment, day__gte=since).order_by("day", "pk")
    return [Size(row.day, row.members) for row in rows]


def newest_moves(*, segment: Segment, limit: int) -> QuerySet[SegmentMove]:
    """Return who came and went, the newest first."""
    rows = SegmentMove.objects.filter(segment=segment).select_related("member")
    return rows.order_by("-pk")[:limit]
