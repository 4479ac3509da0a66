"""Who would lose which points by the end of a day, and what the program would owe less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db import connection

from loyalty_site.lib import calendars
from members.lots import next_month_day
from members.models import PointCurrency

# Points of which the last day is not after the day asked for, also of those that become available
# in time to end.
_LOST = """
SELECT m.number, sum(l.remaining)::bigint AS points, min(e.ends_at)
FROM members_pointlot l
JOIN members_ledgeraccount a ON a.id = l.account_id AND a.currency_id = %(currency)s::bigint
JOIN members_member m ON m.id = a.member_id
LEFT JOIN members_ledgeraccount v ON v.member_id = a.member_id
  AND v.currency_id = a.currency_id AND v.kind = 'available'
CROSS JOIN LATERAL (SELECT
  ledger_lot_end(l.expires_at, l.renew_months, v.active_on, a.program_id) AS ends_at) e
WHERE l.remaining > 0 AND e.ends_at <= %(until)s::timestamptz
  AND (a.kind = 'available' OR l.available_at < e.ends_at)
GROUP BY m.id ORDER BY 2 DESC, m.id
"""
# Upper ends of the classes in which losses are counted; above the last is one class more.
BANDS = (100, 500, 1_000, 5_000, 10_000)


@dataclass(frozen=True, slots=True)
class Loss:
    """What one member would lose; ``value`` in the program's money."""

    number: str
    points: int
    value: Decimal
    first_ends_at: datetime


@dataclass(frozen=True, slots=True)
class Band:
    """How many members would lose more than ``above`` and at most ``most`` points."""

    above: int
    most: int | None
    members: int
    points: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """The losses of one currency through a day, the largest first."""

    currency: PointCurrency
    day: date
    losses: Sequence[Loss]
    bands: Sequence[Band]

    @property
    def points(self) -> int:
        """Return what all members together would lose."""
        return sum(each.points for each in self.losses)

    @property
    def value(self) -> Decimal:
        """Return the liability that is released, in the program's money."""
        return self.points * self.currency.value


def clearing(*, currency: PointCurrency, day: date) -> Clearing:
    """Return who loses what if nobody used any points through ``day``; nothing is written.

    Points that are held stay out: they do not end while they are held.
    """
    zone = ZoneInfo(currency.program.timezone)
    with connection.cursor() as cursor:
        cursor.execute(_LOST, {"currency": currency.pk, "until": calendars.end_of_day(day, zone)})
        losses = [
            Loss(number, points, points * currency.value, first)
            for number, points, first in cursor.fetchall()
        ]
    edges = (0, *BANDS, None)
    bands = [_band(losses, above or 0, most) for above, most in pairwise(edges)]
    return Clearing(currency, day, losses, bands)


def _band(losses: Sequence[Loss], above: int, most: int | None) -> Band:
    found = [
        loss.points
        for loss in losses
        if loss.points > above and (most is None or loss.points <= most)
    ]
    return Band(above, most, len(found), sum(found))


def usual_day(currency: PointCurrency, today: date) -> date:
    """Return the day that a currency clears its points on next; without one the year's last."""
    month, day = map(int, (currency.expiry.get("month_day") or "12-31").split("-"))
    return next_month_day(today, month, day)
