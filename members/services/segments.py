"""Who is in a segment that is kept by hand: put in and taken out by staff, one or many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zlib import crc32

from django.db import connection, transaction

from loyalty_site.lib.errors import DomainError
from members.models import Member, Segment, SegmentMembership
from members.services.jobs import LOCK_SPACE

# More lines are split over several files, so that a check answers at once.
LINES_MAX: Final = 20_000
LINE_LENGTH_MAX: Final = 200
HEADER: Final = "member"
NOBODY: Final = frozenset({Member.Status.ERASED, Member.Status.MERGED, Member.Status.POOL})

# Members are locked and looked at, so that nobody who is being erased enters after it.
_ENTER: Final = """
WITH person AS MATERIALIZED (
    SELECT k.id FROM members_member k
    WHERE k.id = ANY (%(members)s::bigint[]) AND k.status NOT IN ('erased', 'merged', 'pool')
    ORDER BY k.id FOR SHARE OF k),
  come AS (
    INSERT INTO members_segmentmembership (segment_id, member_id, entered_at)
      SELECT %(segment)s::bigint, id, %(moment)s::timestamptz FROM person
    ON CONFLICT DO NOTHING RETURNING member_id)
INSERT INTO members_segmentmove (segment_id, member_id, entered, moved_at, actor)
  SELECT %(segment)s::bigint, member_id, true, %(moment)s::timestamptz, %(actor)s
  FROM come ORDER BY member_id"""
_LEAVE: Final = """
WITH gone AS (
    DELETE FROM members_segmentmembership x
    WHERE x.segment_id = %(segment)s::bigint AND x.member_id = ANY (%(members)s::bigint[])
    RETURNING x.member_id)
INSERT INTO members_segmentmove (segment_id, member_id, entered, moved_at, actor)
  SELECT %(segment)s::bigint, member_id, false, %(moment)s::timestamptz, %(actor)s
  FROM gone ORDER BY member_id"""


class NotByHand(DomainError):
    """The segment has a condition, or is retired."""

    code = "segment_not_by_hand"
    title = "This segment is not kept by hand"
    cause = "A segment with a condition holds exactly the members for whom the condition is true."
    remedy = "Change the condition, or make a segment of kind static."


class TooManyLines(DomainError):
    """The file is longer than one check answers."""

    code = "too_many_lines"
    status = 422
    title = "The file has too many lines"
    cause = f"One file holds at most {LINES_MAX} members."
    remedy = "Split the file."


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file of member numbers; ``problem`` is empty where it can be done."""

    line: int
    text: str
    member_id: int | None
    problem: str


def check(*, segment: Segment, lines: Iterable[str], entering: bool) -> list[Line]:
    """Return each line with the member it names, or what is wrong with it; nothing is written.

    A first line ``member`` is the name of the column. What is after the first comma or semicolon
    of a line is not read.

    :raises NotByHand: the segment has a condition, or is retired.
    :raises TooManyLines: there are more than one check answers.
    """
    _require_by_hand(segment)
    numbers = list(_numbers(lines))
    rows = Member.objects.filter(
        program_id=segment.program_id, number__in={number for _, number in numbers}
    ).values_list("number", "pk", "status")
    known = {number: (pk, status) for number, pk, status in rows}
    within = set(
        SegmentMembership.objects.filter(
            segment=segment, member_id__in=[pk for pk, _ in known.values()]
        ).values_list("member_id", flat=True)
    )
    found: list[Line] = []
    seen: set[str] = set()
    for line, number in numbers:
        pk, problem = _judge(number, known.get(number), within, seen, entering=entering)
        found.append(Line(line, number, pk, problem))
        seen.add(number)
    return found


def _numbers(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for line, text in enumerate(lines, 1):
        if line > LINES_MAX + 1:
            raise TooManyLines
        cell = text[:LINE_LENGTH_MAX].lstrip("\ufeff").replace(";", ",").partition(",")[0]
        # Numbers are printed in groups.
        number = "".join(cell.strip().strip('"').split()).replace("-", "")
        if number and not (line == 1 and number.lower() == HEADER):
            yield line, number[:16]


def _judge(
    number: str,
    row: tuple[int, str] | None,
    within: set[int],
    seen: set[str],
    *,
    entering: bool,
) -> tuple[int | None, str]:
    if number in seen:
        return None, "repeated"
    if row is None:
        return None, "unknown"
    pk, status = row
    if status in NOBODY:
        return None, str(status)
    if (pk in within) == entering:
        return None, "already_in" if entering else "not_in"
    return pk, ""


@transaction.atomic
def move(
    *, segment: Segment, members: Sequence[int], entering: bool, actor: str, moment: datetime
) -> int:
    """Put the members in, or take them out; return how many moved. A repeat moves nobody.

    Each move is recorded with its actor. Whoever is erased or merged meanwhile is left out.

    :raises NotByHand: the segment has a condition, or is retired.
    """
    told: dict[str, Any] = {
        "segment": segment.pk,
        "members": sorted(set(members)),
        "actor": actor[:64],
        "moment": moment,
    }
    with connection.cursor() as cursor:
        lock(cursor, segment.pk)
        segment.refresh_from_db(fields=["where", "is_retired"])
        _require_by_hand(segment)
        cursor.execute(_ENTER if entering else _LEAVE, told)
        moved: int = cursor.rowcount
    return moved


def lock(cursor: Any, segment_id: int) -> None:
    """Wait until nobody else moves members of the segment; held until the transaction ends."""
    key = crc32(b"segment %d" % segment_id) - 2**31
    cursor.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", [LOCK_SPACE, key])


def _require_by_hand(segment: Segment) -> None:
    if segment.where is not None or segment.is_retired:
        raise NotByHand
