"""Refreshes of segments that run at once."""

from __future__ import annotations

import pytest

from campaigns.services import segments
from campaigns.tests.shop import NOON, apply, join, program_file
from campaigns.tests.test_intake_together import together
from members.models import SegmentMembership, SegmentMove
from members.services import tags

TAGGED = {
    "code": "tagged",
    "name": "Tagged",
    "where": {"attr": "member.tag", "op": "contains", "value": "vip"},
}


@pytest.mark.usefixtures("committed_database")
def test_refreshes_at_once_record_each_move_once() -> None:
    apply(program_file(segments=[TAGGED]))
    people = [join(f"60110000{each:02}") for each in range(40)]
    for each in people:
        tags.tag(member_id=each.pk, tag="vip", actor="x", moment=NOON)

    moved = together(4, lambda _: segments.refresh_segments(moment=NOON))

    assert sorted(moved) == [0, 0, 0, 40]
    assert SegmentMembership.objects.count() == SegmentMove.objects.count() == 40
    assert SegmentMove.objects.values("member").distinct().count() == 40
