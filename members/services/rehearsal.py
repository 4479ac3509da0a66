"""What would happen by itself in the next days: the jobs' own acts, posted and rolled back.

Members are taken in slices. A slice posts what is due until the end of the days, regrades, reads
what was written, and is rolled back, so that nothing of it is ever seen by anyone and nothing is
sent. How many members a slice takes follows from how long the one before it took: its locks are
held for less than ``SLICE_SECONDS_MAX``, and who is locked by somebody else is left for later.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from members.models import Program, Rehearsal, RehearsalLine
from members.queries.grading import ProgramGrading, grading_of
from members.services import ledger, notices
from members.services.tiers import regrade_member

SLICE_MEMBERS_MAX: Final = 1000
SLICE_MEMBERS_FIRST: Final = 25
SLICE_SECONDS_MAX: Final = 0.5
# What a slice aims at, so that a slow one still stays below the limit.
SLICE_SECONDS_AIM: Final = 0.2
# Of more lines than that nobody reads the last; the totals are of all.
LINES_KEPT_MAX: Final = 200_000
REHEARSALS_KEPT: Final = 20
ACTOR: Final = "rehearsal"

_DUE = """
SELECT a.member_id FROM members_pointlot l JOIN members_ledgeraccount a ON a.id = l.account_id
  WHERE l.remaining > 0
    AND CASE WHEN a.kind = 'pending' THEN l.available_at <= %(until)s
      ELSE ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id) <= %(until)s END
UNION
SELECT a.member_id FROM members_ledgerhold h JOIN members_ledgeraccount a ON a.id = h.account_id
  WHERE h.is_open AND h.expires_at <= %(until)s
UNION
SELECT t.member_id FROM members_tiermembership t
  WHERE t.superseded_at IS NULL AND t.ends_at IS NULL
    AND coalesce(t.grace_ends_at, t.valid_until) <= %(until)s
ORDER BY 1
"""

_POSTED = """
SELECT t.member_id, t.type, c.code,
  coalesce(sum(e.points) FILTER (WHERE a.kind = 'available'), 0)::bigint,
  coalesce(sum(e.points) FILTER (WHERE a.kind = 'pending'), 0)::bigint,
  t.occurred_at
FROM members_ledgertransaction t
JOIN members_pointcurrency c ON c.id = t.currency_id
JOIN members_ledgerentry e ON e.transaction_id = t.id
JOIN members_ledgeraccount a ON a.id = e.account_id
WHERE t.member_id = ANY (%s::bigint[]) AND t.recorded_at = %s AND t.actor = %s
GROUP BY t.id, c.code ORDER BY t.id
"""

_REGRADED = """
SELECT t.member_id, coalesce(b.code, ''), r.code, t.starts_at
FROM members_tiermembership t
JOIN members_tier r ON r.id = t.tier_id
LEFT JOIN LATERAL (
  SELECT p.tier_id FROM members_tiermembership p
  WHERE p.member_id = t.member_id AND p.superseded_at IS NULL AND p.starts_at < t.starts_at
  ORDER BY p.starts_at DESC LIMIT 1) q ON true
LEFT JOIN members_tier b ON b.id = q.tier_id
WHERE t.member_id = ANY (%s::bigint[]) AND t.recorded_at = %s AND t.superseded_at IS NULL
ORDER BY t.id
"""

_TOLD = """
SELECT o.member_id, o.kind, o.payload FROM members_outboxevent o
WHERE o.created_at = %s AND o.delivered_at IS NULL AND o.member_id = ANY (%s::bigint[])
ORDER BY o.id
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that would happen to one member."""

    member_id: int
    what: str
    currency: str
    points: int
    occurs_at: datetime
    text: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice found, how many members it came to, and how long its locks were held."""

    lines: Sequence[Line]
    members: int
    seconds: float


class SliceTooLong(Exception):
    """A slice would have held its locks for too long; it was rolled back."""


def request(*, days: int, requested_by: Any, moment: datetime) -> Rehearsal:
    """Write down that somebody wants to see the next ``days``; a worker takes it up."""
    rehearsal = Rehearsal.objects.create(
        days=days,
        requested_at=moment,
        requested_by=requested_by,
        starts_at=moment,
        until=moment + timedelta(days=days),
    )
    old = Rehearsal.objects.order_by("-pk").values_list("pk", flat=True)[REHEARSALS_KEPT:]
    Rehearsal.objects.filter(pk__in=list(old)).delete()
    return rehearsal


def waiting() -> list[int]:
    """Return the rehearsals that nobody has taken up."""
    return list(Rehearsal.objects.filter(started_at=None).values_list("pk", flat=True))


def run(pk: int) -> Rehearsal | None:
    """Rehearse; None when somebody else has taken it up. Changes nothing but the report.

    What fails is written into the report and raised.
    """
    taken = Rehearsal.objects.filter(pk=pk, started_at=None).update(started_at=timezone.now())
    if not taken:
        return None
    rehearsal = Rehearsal.objects.get(pk=pk)
    try:
        _all_slices(rehearsal)
    except Exception as error:
        rehearsal.failure = f"{type(error).__name__}: {error}"[:2000]
        raise
    finally:
        rehearsal.finished_at = timezone.now()
        rehearsal.save()
    return rehearsal


def _all_slices(rehearsal: Rehearsal) -> None:
    program = Program.objects.first()
    if program is None:
        return
    grading = grading_of(program)
    members = _due(rehearsal.until)
    rehearsal.members = len(members)
    totals = Totals()
    place, size = 0, SLICE_MEMBERS_FIRST
    while place < len(members):
        chunk = members[place : place + size]
        try:
            found = rehearse(
                program=program, grading=grading, member_ids=chunk, until=rehearsal.until
            )
        except (OperationalError, SliceTooLong):
            if len(chunk) == 1:
                # Somebody works on this member; a till must not wait for a rehearsal.
                rehearsal.skipped += 1
                place += 1
            size = max(len(chunk) // 2, 1)
            continue
        place += found.members
        size = next_size(found.members, found.seconds)
        _keep(rehearsal, found, totals)
    _foretell_notices(rehearsal, totals)


@dataclass
class Totals:
    """How often something would happen, and with how many points, by what and currency."""

    times: Counter[tuple[str, str]] = field(default_factory=Counter)
    points: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, line: Line) -> None:
        """Count a line."""
        self.times[line.what, line.currency] += 1
        self.points[line.what, line.currency] += line.points

    def as_json(self) -> list[dict[str, Any]]:
        """Return the totals as the report keeps them."""
        return [
            {
                "what": what,
                "currency": currency,
                "times": count,
                "points": self.points[what, currency],
            }
            for (what, currency), count in sorted(self.times.items())
        ]


def _foretell_notices(rehearsal: Rehearsal, totals: Totals) -> None:
    """Add the notices of points that end: they are read, since they move nobody's points."""
    lines: list[Line] = []
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")
        for member, currency, points, told_at in notices.foretell(
            moment=rehearsal.starts_at, until=rehearsal.until
        ):
            line = Line(member, "message:points_expiring", currency, points, told_at)
            totals.add(line)
            if len(lines) + rehearsal.lines_kept < LINES_KEPT_MAX:
                lines.append(line)
    _write_lines(rehearsal, lines)
    rehearsal.totals = totals.as_json()
    rehearsal.save()


def next_size(members: int, seconds: float) -> int:
    """Return how many members the next slice takes, from how long the last one took."""
    if seconds <= 0:
        return SLICE_MEMBERS_MAX
    fitting = int(members * SLICE_SECONDS_AIM / seconds)
    return max(1, min(fitting, 2 * members, SLICE_MEMBERS_MAX))


def _due(until: datetime) -> list[int]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_DUE, {"until": until})
        return [row[0] for row in cursor.fetchall()]


def rehearse(
    *,
    program: Program,
    grading: ProgramGrading | None,
    member_ids: Sequence[int],
    until: datetime,
) -> Slice:
    """Post what is due for the members by ``until``, read it, and roll it back.

    Takes the first of the members that fit into the time of a slice.

    :raises OperationalError: somebody else kept one of the members locked.
    :raises SliceTooLong: posting alone took longer than a slice may.
    """
    started = time.monotonic()
    recorded_at = timezone.now()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '1s'")
            cursor.execute(f"SET LOCAL statement_timeout = {int(SLICE_SECONDS_MAX * 1000)}")
        ledger.settle_due(member_ids=member_ids, moment=until, recorded_at=recorded_at, actor=ACTOR)
        regraded = 0
        for member_id in member_ids:
            if time.monotonic() - started > SLICE_SECONDS_MAX * 0.7:
                break
            if grading is not None:
                regrade_member(program=program, grading=grading, member_id=member_id, moment=until)
            regraded += 1
        if regraded == 0:
            raise SliceTooLong
        lines = [*_posted(member_ids[:regraded], recorded_at)]
        lines += _regraded(member_ids[:regraded], until)
        lines += _told(member_ids[:regraded], recorded_at, until)
        transaction.set_rollback(True)
    return Slice(lines, regraded, time.monotonic() - started)


def _posted(member_ids: Sequence[int], recorded_at: datetime) -> Iterable[Line]:
    with connection.cursor() as cursor:
        cursor.execute(_POSTED, [list(member_ids), recorded_at, ACTOR])
        for member, kind, currency, available, pending, occurred_at in cursor.fetchall():
            yield Line(member, kind, currency, available or pending, occurred_at)


def _regraded(member_ids: Sequence[int], until: datetime) -> Iterable[Line]:
    with connection.cursor() as cursor:
        cursor.execute(_REGRADED, [list(member_ids), until])
        for member, before, after, starts_at in cursor.fetchall():
            if before != after:
                yield Line(member, "tier_changed", "", 0, starts_at, f"{before} - {after}")


def _told(member_ids: Sequence[int], recorded_at: datetime, until: datetime) -> Iterable[Line]:
    with connection.cursor() as cursor:
        # What a regrading tells is written at the moment that it was asked for.
        for at in (recorded_at, until):
            cursor.execute(_TOLD, [at, list(member_ids)])
            for member, kind, stored in cursor.fetchall():
                payload = orjson.loads(stored) if isinstance(stored, str) else stored
                yield Line(
                    member,
                    f"message:{kind}",
                    str(payload.get("currency", "")),
                    int(payload.get("points", 0)),
                    until,
                )


def _keep(rehearsal: Rehearsal, found: Slice, totals: Totals) -> None:
    for line in found.lines:
        totals.add(line)
    rehearsal.done += found.members
    rehearsal.slices += 1
    rehearsal.longest_ms = max(rehearsal.longest_ms, round(found.seconds * 1000))
    room = LINES_KEPT_MAX - rehearsal.lines_kept
    _write_lines(rehearsal, found.lines[: max(room, 0)])
    rehearsal.totals = totals.as_json()
    rehearsal.save()


def _write_lines(rehearsal: Rehearsal, lines: Sequence[Line]) -> None:
    RehearsalLine.objects.bulk_create(
        [
            RehearsalLine(
                rehearsal=rehearsal,
                member_id=line.member_id,
                what=line.what,
                currency=line.currency,
                points=line.points,
                occurs_at=line.occurs_at,
                text=line.text,
            )
            for line in lines
        ],
        batch_size=2000,
    )
    rehearsal.lines_kept += len(lines)
