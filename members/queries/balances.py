"""What members hold, now or at an instant of the past, net of what is due; nothing is written.

The usual case, nothing due, is one small statement. Only when something is due is the whole
position read, again in one statement, so that a posting between two of them cannot tear it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from members.netting import Arrival, Net, OpenLot, Position, net
from members.queries.program import UnknownCurrency


@dataclass(frozen=True, slots=True)
class Balance:
    """What a member holds of one currency; ``debt`` is positive.

    ``expiring`` lists points and their end, soonest first. ``worth`` is the value of one point
    in ``money``.
    """

    member: UUID
    currency: str
    available: int
    pending: int
    held: int
    debt: int
    lifetime_earned: int
    expiring: tuple[OpenLot, ...]
    worth: Decimal
    money: str
    as_of: datetime


_CURRENCY = """
FROM members_member m
JOIN members_program p ON p.id = m.program_id
LEFT JOIN LATERAL (
  SELECT c.id, c.code, c.value FROM members_pointcurrency c
  WHERE c.program_id = m.program_id
    AND CASE WHEN %(code)s::text IS NULL THEN c.kind = 'redeemable' ELSE c.code = %(code)s END
  ORDER BY c.is_retired, c.position, c.id LIMIT 1) c ON true
"""

# The plan of this is kept in the database; see members/sql/balances.sql.
_NOW = "SELECT * FROM balance_now(%(member)s::uuid, %(code)s::text, %(moment)s::timestamptz)"

# Rows of (kind, points, at, expires_at, lot, hold, grace_end).
_POSITION_NOW = """
SELECT a.kind, a.balance, NULL::timestamptz, NULL::timestamptz, NULL::bigint, NULL::bigint,
  NULL::timestamptz
FROM members_ledgeraccount a
WHERE a.member_id = %(member)s::bigint AND a.currency_id = %(currency)s::bigint
UNION ALL
SELECT 'lot ' || a.kind, l.remaining, l.available_at,
  ledger_lot_end(l.expires_at, l.renew_months, v.active_on, v.program_id), l.id, NULL, NULL
FROM members_ledgeraccount a
JOIN members_ledgeraccount v ON v.member_id = a.member_id AND v.currency_id = a.currency_id
  AND v.kind = 'available'
JOIN members_pointlot l ON l.account_id = a.id AND l.remaining > 0
WHERE a.member_id = %(member)s::bigint AND a.currency_id = %(currency)s::bigint
  AND (a.kind = 'available' OR l.available_at <= %(as_of)s::timestamptz)
UNION ALL
SELECT 'hold', u.points, h.expires_at,
  ledger_lot_end(l.expires_at, l.renew_months, o.active_on, o.program_id), l.id,
  h.transaction_id, ledger_grace_end(%(currency)s::bigint, h.expires_at)
FROM members_ledgeraccount a
JOIN members_ledgerhold h ON h.account_id = a.id AND h.is_open
  AND h.expires_at <= %(as_of)s::timestamptz
JOIN members_lotuse u ON u.transaction_id = h.transaction_id AND u.kind = 'hold'
JOIN members_pointlot l ON l.id = u.lot_id
JOIN members_ledgeraccount o ON o.id = l.account_id
WHERE a.member_id = %(member)s::bigint AND a.currency_id = %(currency)s::bigint
"""

# The same from what had occurred and had been recorded; lots are what their origin gave less
# what had been used of them.
_POSITION_THEN = """
WITH known AS MATERIALIZED (
  SELECT t.id, t.type, t.resolves_id, t.hold_expires_at FROM members_ledgertransaction t
  WHERE t.member_id = %(member)s::bigint AND t.currency_id = %(currency)s::bigint
    AND t.occurred_at <= %(as_of)s::timestamptz AND t.recorded_at <= %(known_at)s::timestamptz
), active AS (
  -- Renewed by what had been done then.
  SELECT max(y.day) AS day FROM members_ledgeraccount a
  JOIN members_ledgeractivity y ON y.account_id = a.id
  WHERE a.member_id = %(member)s::bigint AND a.currency_id = %(currency)s::bigint
    AND y.occurred_at <= %(as_of)s::timestamptz AND y.recorded_at <= %(known_at)s::timestamptz
), sums AS (
  SELECT a.kind, k.type = 'earn' AS is_earn, sum(e.points)::bigint AS points
  FROM known k
  JOIN members_ledgerentry e ON e.transaction_id = k.id
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.member_id = %(member)s::bigint
  GROUP BY 1, 2
)
SELECT s.kind, sum(s.points)::bigint, NULL::timestamptz, NULL::timestamptz, NULL::bigint,
  NULL::bigint, NULL::timestamptz
FROM sums s GROUP BY s.kind
UNION ALL
SELECT 'earned', sum(s.points)::bigint, NULL, NULL, NULL, NULL, NULL
FROM sums s WHERE s.is_earn HAVING sum(s.points) IS NOT NULL
UNION ALL
SELECT 'lot ' || a.kind, l.points - coalesce(w.used, 0), l.available_at,
  ledger_lot_end(l.expires_at, l.renew_months, (SELECT day FROM active), a.program_id), l.id,
  NULL, NULL
FROM known k
JOIN members_pointlot l ON l.transaction_id = k.id
JOIN members_ledgeraccount a ON a.id = l.account_id
LEFT JOIN LATERAL (
  SELECT sum(u.points)::bigint AS used FROM members_lotuse u
  JOIN known b ON b.id = u.transaction_id WHERE u.lot_id = l.id) w ON true
WHERE l.points > coalesce(w.used, 0)
  AND (a.kind = 'available' OR l.available_at <= %(as_of)s::timestamptz)
UNION ALL
SELECT 'hold', u.points, k.hold_expires_at,
  ledger_lot_end(l.expires_at, l.renew_months, (SELECT day FROM active), a.program_id), l.id,
  k.id, ledger_grace_end(%(currency)s::bigint, k.hold_expires_at)
FROM known k
JOIN members_lotuse u ON u.transaction_id = k.id AND u.kind = 'hold'
JOIN members_pointlot l ON l.id = u.lot_id
JOIN members_ledgeraccount a ON a.id = l.account_id
WHERE k.type = 'hold' AND k.hold_expires_at <= %(as_of)s::timestamptz
  AND NOT EXISTS (SELECT FROM known r WHERE r.resolves_id = k.id)
"""

_WHOSE = f"SELECT m.id, m.public_id, c.id, c.code, c.value, p.currency {_CURRENCY}"


def balance_now(*, member: UUID, moment: datetime, currency: str | None = None) -> Balance | None:
    """Return what the member holds at ``moment``, the present; None for an unknown member.

    :raises UnknownCurrency: the program has no such currency.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOW, {"member": member, "code": currency, "moment": moment})
        row = cursor.fetchone()
        if row is None:
            return None
        whose, posted, (points, ends, earned, is_due) = row[:6], row[6:10], row[10:]
        _require_currency(whose, currency)
        if is_due:
            position, _ = _position(cursor, _POSITION_NOW, whose, as_of=moment)
            return _balance(whose, net(position, moment), earned, moment)
    lots = tuple(map(OpenLot, points or (), ends or ()))
    available, pending, held, debt = posted
    return _balance(whose, Net(available, pending, held, debt, lots), earned, moment)


def balance_as_of(
    *, member: UUID, as_of: datetime, known_at: datetime, currency: str | None = None
) -> Balance | None:
    """Return what the member held at ``as_of``, as far as was recorded by ``known_at``.

    Both instants are included. None for an unknown member.

    :raises UnknownCurrency: the program has no such currency.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_WHOSE} WHERE m.public_id = %(member)s::uuid", {"member": member, "code": currency}
        )
        whose = cursor.fetchone()
        if whose is None:
            return None
        _require_currency(whose, currency)
        position, earned = _position(cursor, _POSITION_THEN, whose, as_of=as_of, known_at=known_at)
    return _balance(whose, net(position, as_of), earned, as_of)


def _require_currency(whose: Sequence[Any], asked: str | None) -> None:
    if whose[2] is None:
        raise UnknownCurrency(f"There is no point currency {asked!r}." if asked else "")


def _position(
    cursor: Any, sql: str, whose: Sequence[Any], **instants: datetime
) -> tuple[Position, int]:
    cursor.execute(sql, {"member": whose[0], "currency": whose[2], **instants})
    sums: dict[str, int] = {}
    lots: list[OpenLot] = []
    arrivals: list[Arrival] = []
    for kind, points, at, expires_at, lot, hold, grace_end in cursor.fetchall():
        if kind == "lot available":
            lots.append(OpenLot(points, expires_at))
        elif at is not None:
            arrivals.append(Arrival(points, at, expires_at, lot, hold, grace_end))
        else:
            sums[kind] = points
    position = Position(
        available=sums.get("available", 0),
        pending=sums.get("pending", 0),
        held=sums.get("held", 0),
        debt=-sums.get("debt", 0),
        lots=tuple(lots),
        arrivals=tuple(arrivals),
    )
    return position, sums.get("earned", 0)


def _balance(whose: Sequence[Any], held: Net, earned: int, as_of: datetime) -> Balance:
    _, member, _, code, worth, money = whose
    return Balance(
        member=member,
        currency=code,
        available=held.available,
        pending=held.pending,
        held=held.held,
        debt=held.debt,
        lifetime_earned=earned,
        expiring=held.expiring,
        worth=worth,
        money=money,
        as_of=as_of,
    )
