"""What each tier bought and what its points cost, quarter by quarter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import connection

from members.models import Program

# Quarters of the program's calendar; a purchase counts for the tier that it was judged by. What
# came back is taken off, of its net as of its points.
_BY_QUARTER = """
SELECT date_trunc('quarter', p.occurred_at AT TIME ZONE %(zone)s)::date AS quarter,
  coalesce(p.evaluation -> 'tier' ->> 'before', '') AS tier,
  count(*), count(DISTINCT p.member_id), sum(p.net - r.net), sum(a.points)::bigint, sum(a.cost)
FROM members_purchase p
CROSS JOIN LATERAL (
  SELECT coalesce(sum(l.net * q.quantity / l.quantity), 0) AS net
  FROM members_purchaseline l JOIN members_returnline q ON q.purchase_line_id = l.id
  WHERE p.state <> 'closed' AND l.purchase_id = p.id) r
CROSS JOIN LATERAL (
  SELECT coalesce(sum(w.points - w.taken_back), 0) AS points,
    coalesce(sum((w.points - w.taken_back) * c.value), 0) AS cost
  FROM campaigns_award w JOIN members_pointcurrency c ON c.id = w.currency_id
  WHERE w.purchase_id = p.id AND c.kind = 'redeemable') a
WHERE p.member_id IS NOT NULL AND p.program_id = %(program)s AND p.occurred_at >= %(since)s
GROUP BY 1, 2 ORDER BY 1 DESC, 2
"""


@dataclass(frozen=True, slots=True)
class TierQuarter:
    """One tier in one quarter; ``net`` and ``cost`` are money, without what came back."""

    quarter: date
    tier: str
    purchases: int
    members: int
    net: Decimal
    points: int
    cost: Decimal

    @property
    def name(self) -> str:
        """Return the quarter as people write it: ``2026 Q1``."""
        return f"{self.quarter.year} Q{(self.quarter.month + 2) // 3}"

    @property
    def share(self) -> Decimal:
        """Return the cost of the points in percent of the net; 0 where nothing was bought."""
        return Decimal(100) * self.cost / self.net if self.net else Decimal(0)

    @property
    def per_member(self) -> Decimal:
        """Return the net of one member."""
        return self.net / self.members


def tier_economics(program: Program, *, since: datetime) -> list[TierQuarter]:
    """Return every tier of every quarter from ``since`` on, the newest first.

    A member who bought on two tiers in a quarter counts for both.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _BY_QUARTER, {"zone": program.timezone, "program": program.pk, "since": since}
        )
        return [TierQuarter(*row) for row in cursor.fetchall()]
