"""Tags: words on members, for a while or for good."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from members.models import Member, MemberTag, ScoreMove, SegmentMove
from members.models.segments import Segment
from members.queries.tags import tags_of
from members.services import merging, privacy, tags
from members.services.merging import Wanted
from members.tests.people import DAY, NOON, make_member, make_program

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Member:
    """Return a member of a program."""
    make_program()
    return make_member()


def words(member: Member, days: int = 0) -> list[str]:
    return [each.tag for each in tags_of(member=member, moment=NOON + days * DAY)]


def put(member: Member, tag: str, *, after: int = 0, until: int | None = None) -> MemberTag:
    """Put the tag on some days after noon, until others."""
    ends = None if until is None else NOON + until * DAY
    return tags.tag(
        member_id=member.pk, tag=tag, actor="rule:x", moment=NOON + after * DAY, expires_at=ends
    )


def test_a_tag_stands_until_its_end_and_is_removed_by_the_job(member: Member) -> None:
    put(member, "likes-cheese", until=3)
    put(member, "vip")

    assert words(member, 2) == ["likes-cheese", "vip"]
    assert words(member, 3) == ["vip"]
    assert tags.remove_ended(moment=NOON + 3 * DAY) == 1
    assert tags.remove_ended(moment=NOON + 3 * DAY) == 0
    assert words(member) == ["vip"]


@pytest.mark.parametrize(
    ("_case", "first", "second", "expected"),
    [
        ("the later end is kept", 5, 3, 5),
        ("a longer one extends", 3, 5, 5),
        ("for good stays for good", None, 3, None),
        ("for good extends", 3, None, None),
    ],
)
def test_a_repeat_never_shortens(
    _case: str, first: int | None, second: int | None, expected: int | None, member: Member
) -> None:
    put(member, "vip", until=first)
    row = put(member, "vip", after=1, until=second)

    assert row.expires_at == (None if expected is None else NOON + expected * DAY)
    assert row.tagged_at == NOON
    assert MemberTag.objects.count() == 1


def test_a_tag_that_has_ended_begins_anew(member: Member) -> None:
    put(member, "vip", until=3)
    row = put(member, "vip", after=3, until=4)

    assert (row.tagged_at, row.expires_at) == (NOON + 3 * DAY, NOON + 4 * DAY)


@pytest.mark.parametrize(
    "word", ["", "Two Words", "anna@example.com", "-x", "x" * 65, "\u0430", "a\n"]
)
def test_what_is_no_word_is_refused_by_the_service_and_by_the_table(
    word: str, member: Member
) -> None:
    with pytest.raises(tags.TagUnsuitable):
        put(member, word)
    with pytest.raises(Exception, match=r"members_membertag|value too long"), transaction.atomic():
        MemberTag.objects.create(member=member, tag=word, actor="x", tagged_at=NOON)

    assert not MemberTag.objects.exists()


def test_a_tag_cannot_end_before_it_begins(member: Member) -> None:
    with pytest.raises(tags.TagUnsuitable):
        put(member, "vip", after=3, until=3)

    assert not MemberTag.objects.exists()


def test_a_rule_takes_off_only_what_it_gave_last(member: Member) -> None:
    put(member, "vip")
    put(member, "cheese")
    tags.tag(member_id=member.pk, tag="vip", actor="staff:1", moment=NOON)

    assert tags.untag(member_id=member.pk, tag="vip", given_by="rule:x") is False
    assert tags.untag(member_id=member.pk, tag="cheese", given_by="rule:x") is True
    assert tags.untag(member_id=member.pk, tag="cheese") is False
    assert words(member) == ["vip"]


def test_tags_of_a_merged_row_count_for_the_survivor(member: Member) -> None:
    other = make_member("6011000002")
    put(other, "vip")
    wanted = Wanted(survivor_id=member.pk, merged_id=other.pk, reason="the same person")
    merging.merge(wanted=wanted, by=None, moment=NOON + DAY)
    member.refresh_from_db()

    assert words(member) == ["vip"]
    with pytest.raises(tags.MemberNotTagged):
        put(other, "cheese")
    assert tags.untag(member_id=member.pk, tag="vip") is True
    assert words(member) == []


def test_an_erased_member_takes_no_tags(member: Member) -> None:
    put(member, "vip")
    privacy.erase(member=member, confirm=member.number, actor="test", moment=NOON + DAY)

    with pytest.raises(tags.MemberNotTagged):
        put(member, "cheese", after=2)
    assert not MemberTag.objects.exists()


def test_what_moved_is_never_changed_afterwards(member: Member) -> None:
    segment = Segment.objects.create(program=member.program, code="regulars")
    SegmentMove.objects.create(segment=segment, member=member, entered=True, moved_at=NOON)
    ScoreMove.objects.create(member=member, code="stage", text_after="new", moved_at=NOON)

    for table in ("members_segmentmove", "members_scoremove"):
        for change in (f"UPDATE {table} SET moved_at = %s", f"UPDATE {table} SET id = id"):
            told = [NOON + timedelta(hours=1)] if "%s" in change else []
            with (
                pytest.raises(Exception, match=r"permission denied|is refused"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(change, told)
    with pytest.raises(IntegrityError), transaction.atomic():
        ScoreMove.objects.create(
            member=member, code="stage", text_before="new", text_after="new", moved_at=NOON
        )
