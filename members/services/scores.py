"""The nightly figures about every member: RFM scores, their group, and the stage."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from members.models import Program, Tier
from members.segmentation import (
    ORDERS_DAYS,
    RFM_DAYS,
    Quintiles,
    Stage,
    quintiles,
    rfm_group,
    stage,
)
from members.services import tags
from members.services.jobs import LOCK_SPACE, Job, Trouble

# A chunk is one statement to read and one to write.
MEMBERS_PER_CHUNK: Final = 5000
STAGE: Final = "stage"
RFM: Final = "rfm"
CODES: Final = (STAGE, RFM, "rfm_recency", "rfm_frequency", "rfm_monetary")
# Money is summed in these parts of a unit, so that every amount is a whole number.
PARTS: Final = 10_000

# What came back whole is no purchase, and what came back in part counts without it.
_FIGURES: Final = """
SELECT m.id, %(today)s::date - (m.enrolled_at AT TIME ZONE %(zone)s::text)::date,
  coalesce(p.recent, 0), coalesce(p.orders, 0),
  %(today)s::date - (p.latest AT TIME ZONE %(zone)s::text)::date,
  coalesce(p.net, 0), coalesce((
    SELECT s.tier_id = %(top)s::bigint FROM members_tiermembership s
    WHERE s.member_id = m.id AND s.superseded_at IS NULL AND s.starts_at <= %(moment)s::timestamptz
    ORDER BY s.starts_at DESC, s.id DESC LIMIT 1), false)
FROM members_member m
LEFT JOIN LATERAL (
  SELECT count(*) AS orders,
    count(*) FILTER (WHERE h.occurred_at >= %(recent)s::timestamptz) AS recent,
    max(h.occurred_at) AS latest, sum(h.net - coalesce(b.net, 0)) AS net
  FROM members_purchase h
  LEFT JOIN LATERAL (
    SELECT sum(l.net * y.quantity / nullif(l.quantity, 0)) AS net
    FROM members_purchaseline l
    JOIN members_returnline y ON y.purchase_line_id = l.id
    JOIN members_return r ON r.id = y.goods_return_id AND r.state = 'applied'
    WHERE l.purchase_id = h.id) b ON h.state = 'partially_returned'
  WHERE h.member_id = ANY (m.id || m.absorbed) AND h.state <> 'returned'
    AND h.occurred_at >= %(since)s::timestamptz AND h.occurred_at < %(moment)s::timestamptz) p
  ON true
WHERE m.program_id = %(program)s::bigint AND m.id > %(after)s::bigint
  AND m.enrolled_at <= %(moment)s::timestamptz
  AND m.status NOT IN ('erased', 'merged', 'pool')
ORDER BY m.id LIMIT %(limit)s::int"""

# Only what differs is written. Whoever gets a figure is locked and looked at again, so that
# nobody who is being erased has one afterwards.
_WRITE: Final = """
WITH told AS (
    SELECT * FROM unnest(%(members)s::bigint[], %(codes)s::text[], %(texts)s::text[],
      %(values)s::numeric[]) AS t(member_id, code, text, value)),
  changed AS MATERIALIZED (
    SELECT t.*, coalesce(s.text, '') AS text_before FROM told t
    LEFT JOIN members_memberscore s ON s.member_id = t.member_id AND s.code = t.code
    WHERE s.id IS NULL OR s.text <> t.text OR s.value IS DISTINCT FROM t.value),
  person AS MATERIALIZED (
    SELECT k.id FROM members_member k
    WHERE k.id IN (SELECT member_id FROM changed) AND k.status NOT IN ('erased', 'merged', 'pool')
    ORDER BY k.id FOR SHARE OF k),
  gone AS (
    DELETE FROM members_memberscore s
    WHERE s.member_id > %(after)s::bigint
      AND (%(upto)s::bigint IS NULL OR s.member_id <= %(upto)s::bigint)
      AND s.code = ANY (%(all)s::text[])
      AND NOT EXISTS (SELECT FROM told t WHERE t.member_id = s.member_id AND t.code = s.code)
    RETURNING s.member_id, s.code, s.text),
  written AS (
    INSERT INTO members_memberscore AS s (member_id, code, text, value, computed_at)
      SELECT c.member_id, c.code, c.text, c.value, %(moment)s::timestamptz
      FROM changed c JOIN person k ON k.id = c.member_id
    ON CONFLICT (member_id, code) DO UPDATE SET
      text = excluded.text, value = excluded.value, computed_at = excluded.computed_at
    RETURNING s.member_id, s.code),
  moved AS (
    INSERT INTO members_scoremove (member_id, code, text_before, text_after, moved_at)
      SELECT x.member_id, x.code, x.text_before, x.text, %(moment)s::timestamptz FROM (
        SELECT c.member_id, c.code, c.text_before, c.text FROM changed c
        JOIN person k ON k.id = c.member_id WHERE c.text <> c.text_before
        UNION ALL SELECT g.member_id, g.code, g.text, '' FROM gone g WHERE g.text <> '') x
      ORDER BY x.member_id, x.code)
SELECT (SELECT count(*) FROM written) + (SELECT count(*) FROM gone)"""


class Figures(NamedTuple):
    """What one member did; ``recency`` is in days, None without a purchase in the window."""

    member: int
    tenure_days: int
    recent: int
    orders: int
    recency: int | None
    net: Decimal
    is_on_top: bool


@dataclass(slots=True)
class _Everybody:
    """The figures of all members in columns of numbers: a million take some 40 MB.

    The four columns of RFM hold those who bought, in the order of their rows.
    """

    members: array[int] = field(default_factory=lambda: array("q"))
    stages: list[Stage] = field(default_factory=list)
    buyers: array[int] = field(default_factory=lambda: array("q"))
    recency: array[int] = field(default_factory=lambda: array("q"))
    frequency: array[int] = field(default_factory=lambda: array("q"))
    monetary: array[int] = field(default_factory=lambda: array("q"))

    def add(self, figures: Figures) -> None:
        self.members.append(figures.member)
        self.stages.append(
            stage(
                tenure_days=figures.tenure_days,
                orders=figures.recent,
                is_on_top=figures.is_on_top,
            )
        )
        if figures.recency is not None:
            self.buyers.append(figures.member)
            # The fewer days, the better.
            self.recency.append(-figures.recency)
            self.frequency.append(figures.orders)
            self.monetary.append(int(figures.net * PARTS))


class Score(NamedTuple):
    """A figure to be written."""

    member: int
    code: str
    text: str
    value: int | None


def score_members(moment: datetime, trouble: Trouble | None = None) -> int:
    """Compute the figures of every member as of ``moment``; return how many changed.

    What stays the same is not written, so that a repeat changes nothing; each chunk commits.
    """
    program = Program.objects.first()
    if program is None:
        return 0
    ended = tags.remove_ended(moment=moment)
    everybody = _Everybody()
    for figures in figures_of(program=program, moment=moment):
        everybody.add(figures)
    ranks = [
        quintiles(column) for column in (everybody.recency, everybody.frequency, everybody.monetary)
    ]
    changed = after = 0
    for chunk, upto in _chunks(everybody, ranks):
        changed += _write(chunk, after, upto, moment)
        after = upto or after
    return ended + changed


def figures_of(*, program: Program, moment: datetime) -> Iterator[Figures]:
    """Yield what each member did, by their rows; read in chunks."""
    zone = ZoneInfo(program.timezone)
    today = moment.astimezone(zone).date()
    ladder = Tier.objects.filter(program=program, is_retired=False).order_by("-threshold", "-pk")
    rungs = list(ladder.values_list("pk", flat=True))

    def first_of(days: int) -> datetime:
        return datetime.combine(today - timedelta(days=days - 1), time(), zone)

    told: dict[str, Any] = {
        "program": program.pk,
        "moment": moment,
        "today": today,
        "zone": program.timezone,
        "since": first_of(RFM_DAYS),
        "recent": first_of(ORDERS_DAYS),
        # One rung alone is the top of nothing.
        "top": rungs[0] if len(rungs) > 1 else None,
        "limit": MEMBERS_PER_CHUNK,
        "after": 0,
    }
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_FIGURES, told)
            rows = cursor.fetchall()
        yield from map(Figures._make, rows)
        if len(rows) < MEMBERS_PER_CHUNK:
            return
        told["after"] = rows[-1][0]


def _chunks(
    everybody: _Everybody, ranks: Sequence[Quintiles]
) -> Iterator[tuple[list[Score], int | None]]:
    """Yield the scores of so many members, and the last of them; None for the last chunk."""
    buyers = zip(
        everybody.buyers,
        everybody.recency,
        everybody.frequency,
        everybody.monetary,
        strict=True,
    )
    buyer = next(buyers, None)
    everyone = iter(zip(everybody.members, everybody.stages, strict=True))
    left = len(everybody.members)
    while True:
        chunk = list(islice(everyone, MEMBERS_PER_CHUNK))
        left -= len(chunk)
        found = []
        for member, member_stage in chunk:
            found.append(Score(member, STAGE, member_stage, None))
            if buyer is not None and buyer[0] == member:
                found += _rfm(member, buyer[1:], ranks)
                buyer = next(buyers, None)
        yield found, chunk[-1][0] if left else None
        if not left:
            return


def _rfm(member: int, values: Sequence[int], ranks: Sequence[Quintiles]) -> list[Score]:
    recency, frequency, monetary = (
        rank.score(value) for rank, value in zip(ranks, values, strict=True)
    )
    group = rfm_group(recency=recency, frequency=frequency, monetary=monetary)
    return [
        Score(member, RFM, group, None),
        Score(member, "rfm_recency", "", recency),
        Score(member, "rfm_frequency", "", frequency),
        Score(member, "rfm_monetary", "", monetary),
    ]


@transaction.atomic
def _write(scores: Sequence[Score], after: int, upto: int | None, moment: datetime) -> int:
    with connection.cursor() as cursor:
        # Two runs take turns, and the second sees what the first wrote.
        key = crc32(b"scores") - 2**31
        cursor.execute("SELECT pg_advisory_xact_lock(%s::int, %s::int)", [LOCK_SPACE, key])
        cursor.execute(
            _WRITE,
            {
                "members": [each.member for each in scores],
                "codes": [each.code for each in scores],
                "texts": [each.text for each in scores],
                "values": [each.value for each in scores],
                "all": list(CODES),
                "after": after,
                "upto": upto,
                "moment": moment,
            },
        )
        changed: int = cursor.fetchone()[0]
    return changed


SCORE_MEMBERS = Job(name="score_members", chunk=score_members, is_exclusive=False, in_chunks=False)
