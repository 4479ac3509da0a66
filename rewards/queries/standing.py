"""What a member has to pay with and may have, net of what is due, without writing anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from django.db import connection

from rewards.eligibility import Holding

NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lot:
    """Points with one end; ``id`` is the lot that holds them already, 0 for none yet."""

    points: int
    expires_at: datetime | None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A member's points of one currency at a moment, and what decides what they may have.

    ``fresh`` are points that became available by the moment and are not booked
    yet, ``expired`` those that are still booked as available and can no longer
    be used. ``available`` and ``debt`` are net of both.
    """

    member_id: int
    status: str
    account_id: int
    available: int
    debt: int
    tier: str | None
    segments: frozenset[str]
    fresh: tuple[Lot, ...] = ()
    expired: int = 0

    def holding(self, uses: int = 0) -> Holding:
        """Return the member's side of the question whether a reward can be redeemed."""
        return Holding(
            available=self.available,
            debt=self.debt,
            status=self.status,
            tier=self.tier,
            segments=self.segments,
            uses=uses,
        )


class _Credit(NamedTuple):
    """Points that come back or become available at one instant."""

    points: int
    expires_at: datetime | None
    lot_id: int


def standing_of(*, member_id: int, currency_id: int, moment: datetime) -> Standing:
    """Return how the member stands at the moment, what is due by then counted as done."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, {"member": member_id, "currency": currency_id, "moment": moment})
        status, account, available, debt, tier, segments, is_due = cursor.fetchone()
    booked = Standing(
        member_id=member_id,
        status=status,
        account_id=account or 0,
        available=available,
        debt=debt,
        tier=tier,
        segments=frozenset(segments),
    )
    return _settled(booked, currency_id, moment) if is_due else booked


_STANDING = """
SELECT m.status, a.id, coalesce(a.balance, 0), coalesce(-d.balance, 0),
  (SELECT t.code FROM members_tiermembership s JOIN members_tier t ON t.id = s.tier_id
    WHERE s.member_id = m.id AND s.superseded_at IS NULL
      AND s.starts_at <= %(moment)s::timestamptz
      AND (s.ends_at IS NULL OR s.ends_at > %(moment)s::timestamptz)
    ORDER BY s.starts_at DESC, s.id DESC LIMIT 1),
  ARRAY(SELECT g.code FROM members_segmentmembership x JOIN members_segment g
    ON g.id = x.segment_id WHERE x.member_id = m.id),
  ledger_is_due(ARRAY[m.id], %(moment)s::timestamptz)
FROM members_member m
LEFT JOIN members_ledgeraccount a
  ON a.member_id = m.id AND a.currency_id = %(currency)s::bigint AND a.kind = 'available'
LEFT JOIN members_ledgeraccount d
  ON d.member_id = m.id AND d.currency_id = %(currency)s::bigint AND d.kind = 'debt'
WHERE m.id = %(member)s::bigint
"""

# In the order in which ``ledger_settle_due`` posts them. A lot that had expired when its hold
# lapsed comes back with days of grace, as ``ledger_give_back`` has it.
_CREDITS = """
SELECT points, expires_at, lot_id FROM (
  SELECT h.expires_at AS due_at, 0 AS kind, h.transaction_id AS origin, w.points,
    CASE WHEN n.ends_at <= b.at THEN ledger_grace_end(t.currency_id, b.at)
         ELSE n.ends_at END AS expires_at,
    CASE WHEN n.ends_at <= b.at THEN 0 ELSE l.id END AS lot_id,
    n.ends_at AS old_end, l.id
  FROM members_ledgeraccount a
  JOIN members_ledgerhold h
    ON h.account_id = a.id AND h.is_open AND h.expires_at <= %(moment)s::timestamptz
  JOIN members_ledgertransaction t ON t.id = h.transaction_id
  CROSS JOIN LATERAL (SELECT greatest(h.expires_at, t.occurred_at) AS at) b
  JOIN members_lotuse w ON w.transaction_id = t.id
  JOIN members_pointlot l ON l.id = w.lot_id
  JOIN members_ledgeraccount o ON o.id = l.account_id
  CROSS JOIN LATERAL (SELECT
    ledger_lot_end(l.expires_at, l.renew_months, o.active_on, o.program_id) AS ends_at) n
  WHERE a.member_id = %(member)s::bigint AND a.currency_id = %(currency)s::bigint
    AND a.kind = 'held'
  UNION ALL
  SELECT l.available_at, 1, a.id, l.remaining,
    ledger_lot_end(l.expires_at, l.renew_months, v.active_on, v.program_id), 0, l.expires_at, l.id
  FROM members_ledgeraccount a
  JOIN members_ledgeraccount v ON v.member_id = a.member_id AND v.currency_id = a.currency_id
    AND v.kind = 'available'
  JOIN members_pointlot l ON l.account_id = a.id AND l.remaining > 0
    AND l.available_at <= %(moment)s::timestamptz
  WHERE a.member_id = %(member)s::bigint AND a.currency_id = %(currency)s::bigint
    AND a.kind = 'pending') due
ORDER BY due_at, kind, origin, old_end, id
"""

_EXPIRED = """
SELECT coalesce(sum(l.remaining), 0)::bigint FROM members_ledgeraccount a
JOIN members_pointlot l ON l.account_id = a.id AND l.remaining > 0
WHERE a.id = %s::bigint
  AND ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id) <= %s::timestamptz
"""


def _settled(booked: Standing, currency_id: int, moment: datetime) -> Standing:
    with connection.cursor() as cursor:
        cursor.execute(
            _CREDITS, {"member": booked.member_id, "currency": currency_id, "moment": moment}
        )
        credits = [_Credit(*row) for row in cursor.fetchall()]
        cursor.execute(_EXPIRED, [booked.account_id, moment])
        expired = cursor.fetchone()[0]
    fresh, debt = _after_debt(credits, booked.debt)
    usable = tuple(lot for lot in fresh if lot.expires_at is None or lot.expires_at > moment)
    return replace(
        booked,
        available=booked.available - expired + sum(lot.points for lot in usable),
        debt=debt,
        fresh=usable,
        expired=expired,
    )


def _after_debt(credits: Iterable[_Credit], debt: int) -> tuple[list[Lot], int]:
    # Whatever becomes available settles debt first, also points that expire right after.
    left = []
    for credit in credits:
        paid = min(credit.points, debt)
        debt -= paid
        if credit.points > paid:
            left.append(Lot(credit.points - paid, credit.expires_at, credit.lot_id))
    return left, debt


def lots_taken(standing: Standing, points: int, moment: datetime) -> list[Lot]:
    """Return the lots that a debit of ``points`` takes at the moment, soonest expiry first.

    No more lots are read than the points need, however many the member has.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT points, expires_at, lot_id FROM ledger_take(%s::bigint, %s::bigint)",
            [standing.account_id, points + standing.expired],
        )
        booked = [Lot(*row) for row in cursor.fetchall()]
    usable = [lot for lot in booked if lot.expires_at is None or lot.expires_at > moment]
    return _first(_merged([*usable, *standing.fresh]), points)


def _merged(lots: Iterable[Lot]) -> list[Lot]:
    by_id: dict[int, Lot] = {}
    new = []
    for lot in lots:
        if not lot.id:
            new.append(lot)
        elif lot.id in by_id:
            by_id[lot.id] = replace(lot, points=by_id[lot.id].points + lot.points)
        else:
            by_id[lot.id] = lot
    # Points that are not booked yet get the highest ids when they are.
    return sorted([*by_id.values(), *new], key=lambda x: (x.expires_at or NEVER, not x.id, x.id))


def _first(lots: Sequence[Lot], points: int) -> list[Lot]:
    taken = []
    for lot in lots:
        if points <= 0:
            break
        part = min(lot.points, points)
        taken.append(replace(lot, points=part))
        points -= part
    return taken
