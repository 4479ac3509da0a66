"""What the program owes its members: open points by currency and by the month of their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from loyalty_site.lib import calendars
from members.models import PointCurrency

PURCHASED: Final = "purchased"
# Points whose end is the first instant of a month belong to the month before: that is when
# they can last be used.
_BY_MONTH = """
SELECT l.currency_id, l.month::date, l.kind, sum(l.points)::bigint, sum(l.bought)::bigint
FROM (
  SELECT a.currency_id, a.kind, l.remaining AS points,
    CASE WHEN b.lot_id IS NULL THEN 0 ELSE l.remaining END AS bought,
    date_trunc('month', (ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id)
      - interval '1 microsecond') AT TIME ZONE p.timezone) AS month
  FROM members_pointlot l
  JOIN members_ledgeraccount a ON a.id = l.account_id
  JOIN members_program p ON p.id = a.program_id
  LEFT JOIN points_order_lots() b ON b.lot_id = l.id
  WHERE l.remaining > 0) l
GROUP BY 1, 2, 3
"""
_OTHERS = """
SELECT currency_id, kind, sum(balance)::bigint FROM members_ledgeraccount
WHERE kind IN ('held', 'debt') AND balance <> 0 GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Month:
    """Points that end in a month; ``month`` is its first day, None for those without an end.

    ``since`` and ``until`` are the instants of their ends: after the first, up to the second.
    ``purchased`` are those of them that were bought with money, in either state.
    """

    month: date | None
    available: int
    pending: int
    purchased: int
    value: Decimal
    since: datetime | None
    until: datetime | None

    @property
    def points(self) -> int:
        """Return all points of the month."""
        return self.available + self.pending


@dataclass(frozen=True, slots=True)
class Liability:
    """What is owed in one currency; ``value`` in the program's money, debts not deducted."""

    currency: PointCurrency
    months: Sequence[Month]
    held: int
    debt: int

    @property
    def points(self) -> int:
        """Return the points that members have or will have: open lots and what is held."""
        return sum(month.points for month in self.months) + self.held

    @property
    def purchased(self) -> int:
        """Return the points of open lots that were bought with money, whoever has them now."""
        return sum(month.purchased for month in self.months)

    @property
    def purchased_value(self) -> Decimal:
        """Return what those are worth."""
        return self.purchased * self.currency.value

    @property
    def value(self) -> Decimal:
        """Return what they are worth."""
        return self.points * self.currency.value


def liabilities() -> list[Liability]:
    """Return what is owed now, one for each redeemable currency, months in their order."""
    with transaction.atomic(), connection.cursor() as cursor:
        # A sum over all open lots takes longer than a request's queries may.
        cursor.execute("SET LOCAL statement_timeout = '60s'")
        cursor.execute(_BY_MONTH)
        by_month: dict[int, dict[date | None, Counter[str]]] = {}
        for currency_id, month, kind, points, bought in cursor.fetchall():
            figures = by_month.setdefault(currency_id, {}).setdefault(month, Counter())
            figures[kind] += points
            figures[PURCHASED] += bought
        cursor.execute(_OTHERS)
        others = {(row[0], row[1]): row[2] for row in cursor.fetchall()}
    currencies = PointCurrency.objects.filter(kind=PointCurrency.Kind.REDEEMABLE)
    return [
        Liability(
            currency=currency,
            months=_months(currency, by_month.get(currency.pk, {})),
            held=others.get((currency.pk, "held"), 0),
            debt=-others.get((currency.pk, "debt"), 0),
        )
        for currency in currencies.select_related("program").order_by("position", "pk")
    ]


def _months(currency: PointCurrency, found: dict[date | None, Counter[str]]) -> list[Month]:
    zone = ZoneInfo(currency.program.timezone)
    dated = sorted(month for month in found if month is not None)
    return [
        Month(
            month=month,
            available=found[month]["available"],
            pending=found[month]["pending"],
            purchased=found[month][PURCHASED],
            value=(found[month]["available"] + found[month]["pending"]) * currency.value,
            since=None if month is None else calendars.start_of_day(month, zone),
            until=None
            if month is None
            else calendars.start_of_day(calendars.add_months(month, 1), zone),
        )
        for month in [*dated, *([None] if None in found else [])]
    ]
