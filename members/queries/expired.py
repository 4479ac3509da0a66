"""What of a member's points expired, and how much of it can still be given back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection


@dataclass(frozen=True, slots=True)
class ExpiredLot:
    """Points of one lot that expired; ``left`` can still be given back."""

    lot_id: int
    earned_at: datetime
    expired: int
    given_back: int
    left: int


@dataclass(frozen=True, slots=True)
class Expiry:
    """The lots that expired together, in one transaction of the ledger."""

    id: int
    currency_id: int
    currency: str
    expired_at: datetime
    lots: tuple[ExpiredLot, ...]

    @property
    def expired(self) -> int:
        """Return the points that expired."""
        return sum(lot.expired for lot in self.lots)

    @property
    def given_back(self) -> int:
        """Return the points that were given back since."""
        return sum(lot.given_back for lot in self.lots)

    @property
    def left(self) -> int:
        """Return the points that can still be given back."""
        return sum(lot.left for lot in self.lots)


_EXPIRED: Final = """
SELECT x.expiry_id, x.currency_id, c.code, x.expired_at,
  x.lot_id, x.earned_at, x.expired, x.given_back, x.left_points
FROM ledger_expired_lots(%s::bigint, %s::bigint, %s::int) WITH ORDINALITY
  x(expiry_id, currency_id, expired_at, lot_id, earned_at, expired, given_back, left_points, n)
JOIN members_pointcurrency c ON c.id = x.currency_id ORDER BY x.n
"""


def expiries_of(
    *, member_id: int, expiry_id: int | None = None, limit: int = 1
) -> tuple[Expiry, ...]:
    """Return the member's latest expiries, or the one that is asked for; none of the erased."""
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRED, [member_id, expiry_id, limit])
        rows = cursor.fetchall()
    lots: dict[tuple[int, int, str, datetime], list[ExpiredLot]] = {}
    for row in rows:
        lots.setdefault((row[0], row[1], row[2], row[3]), []).append(ExpiredLot(*row[4:]))
    return tuple(
        Expiry(id=key, currency_id=currency_id, currency=code, expired_at=at, lots=tuple(found))
        for (key, currency_id, code, at), found in lots.items()
    )
