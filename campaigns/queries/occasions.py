"""Finds the occasions that are due and not written down yet, set by set.

Days are those of the program's calendar. Nothing here is locked: the business key of each
occasion makes it once, however often it is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from django.db import connection

from campaigns.earning import triggers
from campaigns.queries.rulebook import Rulebook
from loyalty_site.lib import calendars

# Of a member's silences that win-back offers were made for, at most so many begin in a year.
SILENCES_A_YEAR: Final = 2


@dataclass(frozen=True, slots=True)
class Occasion:
    """One occasion of one member; ``external_id`` is the business key that makes it once."""

    member_id: int
    member: UUID
    type: str
    external_id: str
    occurred_at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """What is looked through: after ``start`` through ``end``, nothing from before ``since``.

    At most ``limit`` are found at once; ``leave_out`` are rows of members not to be found.
    """

    start: datetime
    end: datetime
    since: datetime
    limit: int
    leave_out: Sequence[int] = ()


# The year of an occasion ends its key, whatever its day was then; rows that went into the
# member's count.
_NOT_THIS_YEAR = """NOT EXISTS (SELECT FROM campaigns_event e
    WHERE e.member_id = ANY (m.id || m.absorbed) AND e.source = 'program' AND e.type = %(type)s
      AND right(e.external_id, 4) = y.year::text)"""

# 29 February is on the program's other day in the years without one.
_DAY_OF_YEAR = """CROSS JOIN LATERAL (
  SELECT g AS year, CASE
      WHEN extract(month FROM b.day) = 2 AND extract(day FROM b.day) = 29
        AND extract(day FROM make_date(g, 3, 1) - 1) = 28
      THEN make_date(g, 2, 28) + %(leap)s::int
      ELSE make_date(g, extract(month FROM b.day)::int, extract(day FROM b.day)::int)
    END AS day
  FROM generate_series(extract(year FROM %(first)s::date)::int,
    extract(year FROM %(last)s::date)::int) g) y"""

_YEARLY = f"""
SELECT m.id, m.public_id, y.day, y.year, m.enrolled_at,
  y.year - extract(year FROM b.day)::int AS years
FROM members_member m
CROSS JOIN LATERAL (SELECT {{day}} AS day) b
{_DAY_OF_YEAR}
WHERE m.status = 'active' AND NOT m.id = ANY (%(leave_out)s) AND b.day IS NOT NULL
  AND y.day BETWEEN %(first)s::date AND %(last)s::date
  AND y.day >= (m.enrolled_at AT TIME ZONE %(zone)s)::date AND {{only}} AND {_NOT_THIS_YEAR}
ORDER BY y.day, m.id LIMIT %(limit)s
"""
_BIRTHDAYS = _YEARLY.format(day="m.birth_date", only="y.day > m.birth_date")
_ANNIVERSARIES = _YEARLY.format(
    day="(m.enrolled_at AT TIME ZONE %(zone)s)::date",
    only="y.year > extract(year FROM m.enrolled_at AT TIME ZONE %(zone)s)::int",
)

_NOT_NOTED = """NOT EXISTS (SELECT FROM campaigns_event e
    WHERE e.external_id = k.key AND e.source = 'program' AND e.program_id = m.program_id)"""

_TIERS = f"""
SELECT m.id, m.public_id, k.key, t.starts_at,
  jsonb_build_object('before', b.code, 'after', a.code, 'up', a.threshold > b.threshold)
FROM members_tiermembership t
JOIN members_member m ON m.id = t.member_id AND m.status = 'active'
JOIN members_tiermembership p ON p.member_id = t.member_id AND p.superseded_at IS NULL
  AND p.ends_at = t.starts_at AND p.tier_id <> t.tier_id
JOIN members_tier a ON a.id = t.tier_id
JOIN members_tier b ON b.id = p.tier_id
CROSS JOIN LATERAL (SELECT 'tier_changed:' || m.public_id || ':' || a.code || ':'
  || extract(year FROM t.starts_at AT TIME ZONE %(zone)s)) k(key)
WHERE t.superseded_at IS NULL AND t.recorded_at > %(start)s AND t.recorded_at <= %(end)s
  AND t.starts_at >= %(since)s AND t.starts_at <= %(end)s
  AND NOT m.id = ANY (%(leave_out)s) AND {_NOT_NOTED}
ORDER BY t.id LIMIT %(limit)s
"""

_EXPIRING = f"""
SELECT m.id, m.public_id, k.key, n.told_at,
  jsonb_build_object('currency', c.code, 'points', n.points, 'days', n.days,
    'ends_at', to_char(n.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
FROM members_expirynotice n
JOIN members_ledgeraccount a ON a.id = n.account_id
JOIN members_pointcurrency c ON c.id = a.currency_id
JOIN members_member m ON m.id = a.member_id AND m.status = 'active'
CROSS JOIN LATERAL (SELECT 'points_expiring:' || n.id) k(key)
WHERE n.told_at > %(start)s AND n.told_at <= %(end)s AND n.told_at >= %(since)s
  AND NOT m.id = ANY (%(leave_out)s) AND {_NOT_NOTED}
ORDER BY n.id LIMIT %(limit)s
"""

_MOVES = f"""
SELECT m.id, m.public_id, k.key, v.moved_at, jsonb_build_object('segment', s.code)
FROM members_segment s
JOIN members_segmentmove v ON v.segment_id = s.id AND v.entered = %(entered)s
JOIN members_member m ON m.id = v.member_id AND m.status = 'active'
CROSS JOIN LATERAL (SELECT CASE WHEN v.entered THEN 'segment_entered:' ELSE 'segment_left:' END
  || v.id) k(key)
WHERE s.code = %(segment)s AND v.moved_at > %(start)s AND v.moved_at <= %(end)s
  AND v.moved_at >= %(since)s AND NOT m.id = ANY (%(leave_out)s) AND {_NOT_NOTED}
ORDER BY v.id LIMIT %(limit)s
"""

_RETURNS = f"""
SELECT m.id, m.public_id, k.key, k.at,
  jsonb_build_object('source', p.source, 'external_id', p.external_id,
    'whole', p.state = 'returned')
FROM members_return r
JOIN members_purchase p ON p.id = r.purchase_id
JOIN members_member w ON w.id = p.member_id
JOIN members_member m ON m.id = coalesce(w.merged_into_id, w.id) AND m.status = 'active'
CROSS JOIN LATERAL (
  SELECT 'return:' || r.public_id, greatest(r.occurred_at, p.occurred_at)) k(key, at)
WHERE r.state = 'applied' AND r.applied_at > %(start)s AND r.applied_at <= %(end)s
  AND k.at >= %(since)s AND k.at <= %(end)s AND NOT m.id = ANY (%(leave_out)s) AND {_NOT_NOTED}
ORDER BY r.id LIMIT %(limit)s
"""

# A silence is named by the day of the purchase before it. Offers stop at a purchase, and are
# made for at most so many silences of a year.
_SILENCES = f"""
SELECT m.id, m.public_id, k.key, l.day + %(days)s::int
FROM members_member m
CROSS JOIN LATERAL (
  SELECT max(p.occurred_at AT TIME ZONE %(zone)s)::date AS day FROM members_purchase p
  WHERE p.member_id = ANY (m.id || m.absorbed) AND p.occurred_at <= %(end)s) l
CROSS JOIN LATERAL (SELECT %(type)s || ':' || m.public_id || ':' || l.day) k(key)
WHERE m.status = 'active' AND NOT m.id = ANY (%(leave_out)s)
  AND l.day + %(days)s::int BETWEEN %(first)s::date AND %(last)s::date
  AND NOT EXISTS (SELECT FROM campaigns_event e
    WHERE e.member_id = ANY (m.id || m.absorbed) AND e.source = 'program' AND e.type = %(type)s
      AND right(e.external_id, 10) = l.day::text)
  AND (SELECT count(DISTINCT right(e.external_id, 10)) FROM campaigns_event e
    WHERE e.member_id = ANY (m.id || m.absorbed) AND e.source = 'program'
      AND e.type LIKE 'silent:%%' AND right(e.external_id, 10) <> l.day::text
      AND e.occurred_at > (l.day + %(days)s::int - interval '1 year') AT TIME ZONE %(zone)s)
    < {SILENCES_A_YEAR}
ORDER BY m.id LIMIT %(limit)s
"""


def find(book: Rulebook, trigger: str, window: Window) -> list[Occasion]:
    """Return occasions of a trigger that are due and not written down, the oldest first."""
    finder = _FINDERS.get(trigger)
    if finder is not None:
        return list(finder(book, trigger, window))
    if triggers.segment_of(trigger) is not None:
        return list(_moves(book, trigger, window))
    return list(_silences(book, trigger, window))


def is_daily(trigger: str) -> bool:
    """Return whether what is due changes only with the day, so that one look a day is enough."""
    return trigger in ("birthday", "anniversary") or triggers.silent_days(trigger) is not None


def _rows(sql: str, book: Rulebook, window: Window, **more: Any) -> list[tuple[Any, ...]]:
    told = {
        "start": window.start,
        "end": window.end,
        "since": window.since,
        "limit": window.limit,
        "leave_out": list(window.leave_out),
        "zone": str(book.zone),
        **more,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, told)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _days(book: Rulebook, window: Window) -> dict[str, date]:
    """Return the first and the last day whose beginning lies in the window."""
    first = max(calendars.local_day(window.start, book.zone), _first_whole(window.since, book.zone))
    return {"first": first, "last": calendars.local_day(window.end, book.zone)}


def _first_whole(since: datetime, zone: ZoneInfo) -> date:
    """Return the first day that begins at or after the instant."""
    day = calendars.local_day(since, zone)
    return day if calendars.start_of_day(day, zone) >= since else day + timedelta(days=1)


def _yearly(book: Rulebook, trigger: str, window: Window) -> Iterator[Occasion]:
    sql = _BIRTHDAYS if trigger == "birthday" else _ANNIVERSARIES
    leap = 1 if book.leap_day == "mar1" else 0
    rows = _rows(sql, book, window, type=trigger, leap=leap, **_days(book, window))
    for pk, public_id, day, year, enrolled_at, years in rows:
        yield Occasion(
            pk,
            public_id,
            trigger,
            f"{trigger}:{public_id}:{year}",
            # Whoever joins on the day itself has it from the moment of joining.
            max(calendars.start_of_day(day, book.zone), enrolled_at),
            # Of a birthday the age would be told.
            {"year": year} if trigger == "birthday" else {"year": year, "years": years},
        )


def _plain(sql: str) -> Callable[[Rulebook, str, Window], Iterator[Occasion]]:
    def found(book: Rulebook, trigger: str, window: Window) -> Iterator[Occasion]:
        for pk, public_id, key, at, payload in _rows(sql, book, window):
            yield Occasion(pk, public_id, trigger, key, at, orjson.loads(payload))

    return found


def _moves(book: Rulebook, trigger: str, window: Window) -> Iterator[Occasion]:
    entered = trigger.startswith(triggers.SEGMENT_ENTERED)
    rows = _rows(_MOVES, book, window, segment=triggers.segment_of(trigger), entered=entered)
    for pk, public_id, key, at, payload in rows:
        yield Occasion(pk, public_id, trigger, key, at, orjson.loads(payload))


def _silences(book: Rulebook, trigger: str, window: Window) -> Iterator[Occasion]:
    days = triggers.silent_days(trigger)
    rows = _rows(_SILENCES, book, window, type=trigger, days=days, **_days(book, window))
    for pk, public_id, key, day in rows:
        at = calendars.start_of_day(day, book.zone)
        yield Occasion(pk, public_id, trigger, key, at, {"days": days})


_FINDERS: Final = {
    "birthday": _yearly,
    "anniversary": _yearly,
    "tier_changed": _plain(_TIERS),
    "points_expiring": _plain(_EXPIRING),
    "return": _plain(_RETURNS),
}
