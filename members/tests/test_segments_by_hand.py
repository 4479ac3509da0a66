"""Segments that are kept by hand."""

from __future__ import annotations

import pytest

from members.models import Member, Segment, SegmentMembership, SegmentMove
from members.services import merging, privacy, segments
from members.services.merging import Wanted
from members.services.segments import Line, NotByHand, TooManyLines
from members.tests.people import DAY, NOON, make_member, make_program

pytestmark = pytest.mark.django_db


@pytest.fixture
def segment() -> Segment:
    """Return a segment without a condition."""
    return Segment.objects.create(program=make_program(), code="panel")


def move(segment: Segment, *members: Member, entering: bool = True) -> int:
    return segments.move(
        segment=segment,
        members=[each.pk for each in members],
        entering=entering,
        actor="staff:1",
        moment=NOON,
    )


def inside() -> set[int]:
    return set(SegmentMembership.objects.values_list("member_id", flat=True))


def test_members_are_put_in_and_taken_out_with_who_did_it(segment: Segment) -> None:
    one, other = make_member("6011000001"), make_member("6011000002")

    assert move(segment, one, other) == 2
    assert move(segment, one, other) == 0
    assert inside() == {one.pk, other.pk}
    assert move(segment, one, entering=False) == 1
    assert move(segment, one, entering=False) == 0
    assert inside() == {other.pk}

    rows = SegmentMove.objects.order_by("pk").values_list("member_id", "entered", "actor")
    assert list(rows) == [
        (one.pk, True, "staff:1"),
        (other.pk, True, "staff:1"),
        (one.pk, False, "staff:1"),
    ]


def test_each_line_of_a_file_is_checked_and_nothing_is_written(segment: Segment) -> None:
    people = [make_member(f"60110000{each:02}") for each in range(5)]
    inside_, fresh, erased, survivor, merged = people
    move(segment, inside_)
    privacy.erase(member=erased, confirm=erased.number, actor="test", moment=NOON)
    wanted = Wanted(survivor_id=survivor.pk, merged_id=merged.pk, reason="the same person")
    merging.merge(wanted=wanted, by=None, moment=NOON)
    number = fresh.number
    lines = [
        "\ufeffMember;Name",
        "",
        f'"{number[:4]} {number[4:8]}-{number[8:]}";Ana',
        number,
        inside_.number,
        erased.number,
        merged.number,
        "000000000000",
        "=HYPERLINK(1)",
    ]

    found = segments.check(segment=segment, lines=lines, entering=True)

    assert found == [
        Line(3, number, fresh.pk, ""),
        Line(4, number, None, "repeated"),
        Line(5, inside_.number, None, "already_in"),
        Line(6, erased.number, None, "erased"),
        Line(7, merged.number, None, "merged"),
        Line(8, "000000000000", None, "unknown"),
        Line(9, "=HYPERLINK(1)", None, "unknown"),
    ]
    assert inside() == {inside_.pk}
    (line,) = segments.check(segment=segment, lines=[number], entering=False)
    assert line.problem == "not_in"


def test_whoever_is_erased_after_the_check_does_not_enter(segment: Segment) -> None:
    member = make_member()
    privacy.erase(member=member, confirm=member.number, actor="test", moment=NOON + DAY)

    assert move(segment, member) == 0
    assert (inside(), SegmentMove.objects.count()) == (set(), 0)


@pytest.mark.parametrize("changed", [{"where": {"all": []}}, {"is_retired": True}])
def test_only_what_is_kept_by_hand_is_changed_by_hand(
    changed: dict[str, object], segment: Segment
) -> None:
    member = make_member()
    Segment.objects.filter(pk=segment.pk).update(**changed)

    with pytest.raises(NotByHand):
        move(segment, member)
    segment.refresh_from_db()
    with pytest.raises(NotByHand):
        segments.check(segment=segment, lines=[member.number], entering=True)
    assert inside() == set()


def test_a_file_has_an_end(segment: Segment) -> None:
    with pytest.raises(TooManyLines):
        segments.check(segment=segment, lines=["1"] * (segments.LINES_MAX + 2), entering=True)
