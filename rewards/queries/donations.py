"""What members gave to each cause, and what of it has been paid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import F, QuerySet

from members.models import Program
from rewards.models import Donation, Reward

# Donations that were cancelled are no donations any more.
_TOTALS = """
SELECT w.id, coalesce(sum(d.points), 0)::bigint, coalesce(sum(d.amount), 0),
  coalesce(sum(d.match_amount), 0), coalesce(sum(l.amount), 0), count(d.redemption_id)
FROM rewards_reward w
LEFT JOIN (rewards_donation d
  JOIN rewards_redemption r ON r.id = d.redemption_id AND r.state = 'fulfilled')
  ON d.reward_id = w.id
LEFT JOIN rewards_payoutline l ON l.donation_id = d.redemption_id AND l.is_open
WHERE w.program_id = %s AND w.kind = 'donation'
GROUP BY w.id
HAVING NOT w.is_retired OR count(d.redemption_id) > 0
ORDER BY w.is_retired, w.position, w.id
"""


@dataclass(frozen=True, slots=True)
class CauseTotal:
    """What was given to one cause; amounts in the program's money.

    ``amount`` is the members' own, ``matched`` what the company adds, ``paid_out`` what bank
    documents paid of both. ``target`` is None where none is stated.
    """

    reward: Reward
    donations: int
    points: int
    amount: Decimal
    matched: Decimal
    paid_out: Decimal

    @property
    def total(self) -> Decimal:
        """Return what the cause gets in all."""
        return self.amount + self.matched

    @property
    def target(self) -> Decimal | None:
        """Return what is hoped for."""
        return self.reward.donation_target

    @property
    def owed(self) -> Decimal:
        """Return what has not been paid out."""
        return self.total - self.paid_out


def causes(program: Program) -> list[CauseTotal]:
    """Return the causes with what they were given, in the catalog's order.

    A retired cause is listed while anything was given to it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, [program.pk])
        rows = cursor.fetchall()
    rewards = Reward.objects.in_bulk([row[0] for row in rows])
    return [
        CauseTotal(rewards[pk], count, points, amount, matched, paid)
        for pk, points, amount, matched, paid, count in rows
    ]


def unpaid(*, reward: Reward, until: datetime) -> QuerySet[Donation]:
    """Return the unpaid donations to a cause before ``until``, oldest first.

    Those that are worth nothing at their rate are left out: there is nothing to pay.
    """
    return (
        Donation.objects.filter(
            reward=reward,
            donated_at__lt=until,
            redemption__state="fulfilled",
            amount__gt=-F("match_amount"),
        )
        .exclude(payout_lines__is_open=True)
        .order_by("donated_at", "pk")
    )


def worth(donations: Sequence[Donation]) -> Decimal:
    """Return the donations with what the company adds to them, in money."""
    return sum((each.amount + each.match_amount for each in donations), Decimal(0))
