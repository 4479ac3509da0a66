"""Keep segments as the program file says, and who is in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from campaigns.earning.conditions import leaves
from campaigns.earning.segments import in_order
from campaigns.queries.segments import audience
from members.models import Program, Segment
from members.services import tiers
from members.services.jobs import Trouble
from members.services.segments import lock

# A chunk is one statement: few enough that whoever changes a profile does not wait for it.
MEMBERS_PER_CHUNK = 5000
_TIERS_PER_CHUNK: Final = 1000

_NEXT: Final = """
SELECT max(x.id) FROM (SELECT id FROM members_member
  WHERE program_id = %s::bigint AND id > %s::bigint ORDER BY id LIMIT %s::int) x"""

# Who comes is locked and looked at again, so that nobody who is being erased enters after it.
_DIFFERENCE: Final = """
WITH wanted AS MATERIALIZED (SELECT m.id {whom}
    AND m.id > %(after)s::bigint AND m.id <= %(upto)s::bigint),
  gone AS (
    DELETE FROM members_segmentmembership x
    WHERE x.segment_id = %(segment)s::bigint
      AND x.member_id > %(after)s::bigint AND x.member_id <= %(upto)s::bigint
      AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = x.member_id)
    RETURNING x.member_id),
  comers AS MATERIALIZED (
    SELECT k.id FROM members_member k
    WHERE k.id IN (SELECT w.id FROM wanted w)
      AND NOT EXISTS (SELECT FROM members_segmentmembership x
        WHERE x.segment_id = %(segment)s::bigint AND x.member_id = k.id)
      AND k.status NOT IN ('erased', 'merged', 'pool')
    ORDER BY k.id FOR SHARE OF k),
  come AS (
    INSERT INTO members_segmentmembership (segment_id, member_id, entered_at)
      SELECT %(segment)s::bigint, id, %(moment)s::timestamptz FROM comers
    ON CONFLICT DO NOTHING RETURNING member_id),
  told AS (
    INSERT INTO members_segmentmove (segment_id, member_id, entered, moved_at, actor)
      SELECT %(segment)s::bigint, y.member_id, y.entered, %(moment)s::timestamptz, ''
      FROM (SELECT member_id, true AS entered FROM come
        UNION ALL SELECT member_id, false FROM gone) y ORDER BY y.member_id
    RETURNING 1)
SELECT count(*) FROM told"""

_SNAPSHOT: Final = """
INSERT INTO members_segmentsnapshot AS s (segment_id, day, members)
  SELECT g.id, %(day)s::date,
    (SELECT count(*) FROM members_segmentmembership x WHERE x.segment_id = g.id)
  FROM members_segment g WHERE g.id = ANY (%(segments)s::bigint[]) ORDER BY g.id
ON CONFLICT (segment_id, day) DO UPDATE SET members = excluded.members
  WHERE s.members <> excluded.members"""


def apply_segments(
    *, program: Program, rows: Iterable[Mapping[str, Any]], moment: datetime
) -> None:
    """Create, change and retire segments; who is in them is refreshed by the job.

    One without a condition is kept by hand, and keeps its members. One that gets a condition
    has them until the next refresh.
    """
    kept = []
    for row in rows:
        segment, _ = Segment.objects.update_or_create(
            program=program,
            code=row["code"],
            defaults={"name": row["name"], "where": row.get("where"), "is_retired": False},
        )
        kept.append(segment.pk)
    Segment.objects.filter(program=program).exclude(pk__in=kept).update(is_retired=True)


def refresh_segments(*, moment: datetime, trouble: Trouble | None = None) -> int:
    """Bring every segment with a condition up to ``moment``; return how many members moved.

    Each chunk of each segment is one statement that commits, so that a kill in the middle loses
    nothing; a repeat at the same moment moves nobody. A segment comes after those that its
    condition names.
    """
    program = Program.objects.first()
    if program is None:
        return 0
    live = list(Segment.objects.filter(program=program, is_retired=False).order_by("pk"))
    ruled = {each.code: each for each in live if each.where is not None}
    _grade_first(ruled.values(), moment, trouble or Trouble())
    ordered = in_order({code: each.where or {} for code, each in ruled.items()})
    moved = sum(_refresh(program, ruled[code], moment) for code in ordered)
    snapshot(program=program, segments=live, moment=moment)
    return moved


def snapshot(*, program: Program, segments: Iterable[Segment], moment: datetime) -> None:
    """Keep how many members the segments hold on the day; the last look of a day counts."""
    day = moment.astimezone(ZoneInfo(program.timezone)).date()
    keys = [segment.pk for segment in segments]
    with connection.cursor() as cursor:
        cursor.execute(_SNAPSHOT, {"day": day, "segments": keys})


def _grade_first(segments: Iterable[Segment], moment: datetime, trouble: Trouble) -> None:
    """Post the changes of tiers that are due, where a condition asks for the tier."""
    asked = {leaf["attr"] for segment in segments for leaf in leaves(segment.where or {})}
    if "member.tier" not in asked:
        return
    while tiers.regrade_due(moment=moment, trouble=trouble, limit=_TIERS_PER_CHUNK) is not None:
        pass


def _refresh(program: Program, segment: Segment, moment: datetime) -> int:
    whom = audience(program=program, where=segment.where or {}, moment=moment)
    told = {**whom.values, "segment": segment.pk, "moment": moment}
    statement = _DIFFERENCE.format(whom=whom.sql)
    moved = after = 0
    while (upto := _upto(program, after)) is not None:
        moved += _move_chunk(segment, statement, {**told, "after": after, "upto": upto})
        after = upto
    Segment.objects.filter(pk=segment.pk).update(refreshed_at=moment)
    return moved


def _upto(program: Program, after: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [program.pk, after, MEMBERS_PER_CHUNK])
        upto: int | None = cursor.fetchone()[0]
    return upto


@transaction.atomic
def _move_chunk(segment: Segment, statement: str, values: Mapping[str, Any]) -> int:
    with connection.cursor() as cursor:
        # Two refreshes of a segment take turns, and the second sees what the first moved.
        lock(cursor, segment.pk)
        cursor.execute(statement, values)
        moved: int = cursor.fetchone()[0]
    return moved
