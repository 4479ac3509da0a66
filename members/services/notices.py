"""Tell members of points that end soon, before they do.

A currency says in the program file how many days before the last day its members are told; 60, 30
and 7 without saying. Each of these notices is given once for an end of points. A run that comes
late gives only the nearest, and points that were earned after a notice would have been due are left
to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection, transaction

from loyalty_site.lib.wire import dumps
from members.models import OutboxEvent, PointCurrency
from members.services import outbox
from members.services.jobs import Job, Trouble

DAYS = (60, 30, 7)
KIND = "points_expiring"
ROWS_AT_ONCE = 2000

# Available lots of whoever reads messages, with their end and the last day of their use.
_ENDING = """FROM members_pointlot l
JOIN members_ledgeraccount a ON a.id = l.account_id AND a.kind = 'available'
JOIN members_member m ON m.id = a.member_id AND m.status NOT IN ('closed', 'erased')
JOIN members_pointcurrency c ON c.id = a.currency_id
JOIN members_program p ON p.id = a.program_id
CROSS JOIN LATERAL (SELECT
  ledger_lot_end(l.expires_at, l.renew_months, a.active_on, p.id) AS ends_at) e
CROSS JOIN LATERAL (SELECT
  ((e.ends_at - interval '1 microsecond') AT TIME ZONE p.timezone)::date AS last_day) d"""

# One statement for everybody: it reads what is there and locks nobody's points.
_TELL = f"""
WITH ending AS (
  SELECT a.id AS account_id, a.member_id, a.program_id, c.code, e.ends_at, d.last_day, n.days,
    sum(l.remaining)::bigint AS points
  {_ENDING}
  CROSS JOIN LATERAL (
    SELECT min(x.days::int) AS days
    FROM jsonb_array_elements_text(%(days)s::jsonb -> c.id::text) x(days)
    WHERE x.days::int
      >= d.last_day - (%(moment)s::timestamptz AT TIME ZONE p.timezone)::date) n
  WHERE l.remaining > 0 AND l.expires_at <= %(until)s::timestamptz
    AND e.ends_at > %(moment)s::timestamptz AND n.days IS NOT NULL
  GROUP BY a.id, p.timezone, c.code, e.ends_at, d.last_day, n.days
  HAVING min((l.earned_at AT TIME ZONE p.timezone)::date) <= d.last_day - n.days
), told AS (
  INSERT INTO members_expirynotice (account_id, ends_at, days, points, told_at)
    SELECT account_id, ends_at, days, points, %(moment)s::timestamptz FROM ending
    ORDER BY account_id, ends_at
    ON CONFLICT (account_id, ends_at, days) DO NOTHING
    RETURNING account_id, ends_at
)
INSERT INTO members_outboxevent (public_id, program_id, kind, member_id, payload, created_at,
    attempts, failure)
  SELECT gen_random_uuid(), e.program_id, 'points_expiring', e.member_id,
    jsonb_build_object('points', e.points, 'currency', e.code, 'expires_at', e.ends_at,
      'last_day', e.last_day, 'days', e.days),
    %(moment)s::timestamptz, 0, ''
  FROM told t JOIN ending e ON e.account_id = t.account_id AND e.ends_at = t.ends_at
"""

# The same for the days to come, one line for each notice; nothing is written.
_FORETELL = f"""
SELECT a.member_id, c.code, sum(l.remaining)::bigint,
  (d.last_day - n.days)::timestamp AT TIME ZONE p.timezone
{_ENDING}
CROSS JOIN LATERAL (SELECT x.days::int AS days
  FROM jsonb_array_elements_text(%(days)s::jsonb -> c.id::text) x(days)) n
WHERE l.remaining > 0 AND l.expires_at <= %(latest)s::timestamptz
  AND d.last_day - n.days > (%(moment)s::timestamptz AT TIME ZONE p.timezone)::date
  AND d.last_day - n.days <= (%(until)s::timestamptz AT TIME ZONE p.timezone)::date
  AND NOT EXISTS (SELECT FROM members_expirynotice t
    WHERE t.account_id = a.id AND t.ends_at = e.ends_at AND t.days = n.days)
GROUP BY a.member_id, c.code, c.id, e.ends_at, d.last_day, n.days, p.timezone
HAVING min((l.earned_at AT TIME ZONE p.timezone)::date) <= d.last_day - n.days
ORDER BY 4, 1, 2
"""

_STILL_THERE = """
SELECT EXISTS (
  SELECT FROM members_pointlot l
  JOIN members_ledgeraccount a ON a.id = l.account_id AND a.kind = 'available'
  JOIN members_pointcurrency c ON c.id = a.currency_id AND c.code = %s
  WHERE a.member_id = %s AND l.remaining > 0 AND ledger_lot_end(l.expires_at, l.renew_months,
    a.active_on, a.program_id) = %s::timestamptz)
"""


@transaction.atomic
def tell_of_ends(moment: datetime, _trouble: Trouble) -> int:
    """Give every notice that is due at the moment; return how many. A repeat gives none."""
    days = _days_by_currency()
    longest = max((day for each in days.values() for day in each), default=None)
    if longest is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _TELL,
            {
                "moment": moment,
                "days": dumps(days).decode(),
                # Days of the program begin up to a day apart from those of UTC.
                "until": moment + timedelta(days=longest + 2),
            },
        )
        told: int = cursor.rowcount
    if told:
        outbox.ring()
    return told


def foretell(*, moment: datetime, until: datetime) -> Iterator[tuple[int, str, int, datetime]]:
    """Yield the notices of the days after ``moment`` through ``until``, as things stand now.

    Each is (member, currency, points, when it will be told). The caller is in a transaction.
    """
    days = _days_by_currency()
    longest = max((day for each in days.values() for day in each), default=0)
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            _FORETELL,
            {
                "moment": moment,
                "until": until,
                "days": dumps(days).decode(),
                "latest": until + timedelta(days=longest + 2),
            },
        )
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield from rows


def _days_by_currency() -> dict[str, list[int]]:
    return {
        str(currency.pk): notice_days(currency)
        for currency in PointCurrency.objects.filter(kind=PointCurrency.Kind.REDEEMABLE)
    }


def notice_days(currency: PointCurrency) -> list[int]:
    """Return how many days before the last day the members of a currency are told."""
    said = currency.expiry.get("notice_days")
    return list(DAYS) if said is None else list(said)


def is_moot(event: OutboxEvent, moment: datetime) -> bool:
    """Return whether an event tells of points that have ended, or are gone or renewed by now."""
    if event.kind != KIND or "expires_at" not in event.payload:
        return False
    ends_at = event.payload["expires_at"]
    if datetime.fromisoformat(ends_at) <= moment:
        return True
    with connection.cursor() as cursor:
        cursor.execute(_STILL_THERE, [event.payload["currency"], event.member_id, ends_at])
        (is_there,) = cursor.fetchone()
    return not is_there


TELL_OF_ENDS = Job(name="tell_of_ends", chunk=tell_of_ends, in_chunks=False)
