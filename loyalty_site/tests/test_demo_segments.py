"""The demo's segments have a past, and one of them is kept by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from loyalty_site.management.commands.load_demo import grow_segments
from loyalty_site.tests import club
from members.models import MemberScore, SegmentMembership, SegmentMove, SegmentSnapshot

pytestmark = pytest.mark.django_db


def test_segments_are_looked_at_as_of_some_weeks_once() -> None:
    club.open_club(moment=club.NOW - 400 * club.DAY)
    ana = club.join("Ana", at=club.NOW - 399 * club.DAY)
    club.buy(ana, "80.00", at=club.NOW - 75 * club.DAY)

    grow_segments(club.NOW)
    grow_segments(club.NOW)

    rows = SegmentSnapshot.objects.filter(segment__code="lapsed").order_by("day")
    assert [row.members for row in rows] == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    moves = SegmentMove.objects.filter(segment__code="lapsed", member=ana)
    assert [(row.entered, row.moved_at) for row in moves] == [(True, club.NOW - timedelta(weeks=2))]
    assert SegmentMembership.objects.filter(segment__code="tasting-panel", member=ana).exists()
    assert MemberScore.objects.get(member=ana, code="stage").text == "active"
