"""A member's statement: one row for each ledger transaction, newest first.

The balances after each row are counted downward from the current ones, so that the newest row
always agrees with the balance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from loyalty_site.lib.cursors import Key


@dataclass(frozen=True, slots=True)
class BalanceAfter:
    """What the member held when a transaction had been recorded; ``debt`` is positive."""

    available: int
    pending: int
    held: int
    debt: int


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One transaction; ``points`` is the signed change of what the member holds.

    ``source_id`` and ``source_external_id`` name a purchase or return; of other sources only
    the reference is known here.
    """

    id: int
    public_id: UUID
    type: str
    points: int
    moved: int
    occurred_at: datetime
    recorded_at: datetime
    source: str
    reference: str
    reason_code: str
    source_id: UUID | None
    source_external_id: str | None
    store: str
    balance_after: BalanceAfter

    @property
    def key(self) -> Key:
        """Return the row's place in the statement."""
        return (self.recorded_at, self.id)


_COLUMNS = """
SELECT w.id, w.public_id, w.type,
  w.available + w.pending + w.held + w.debt, w.moved,
  w.occurred_at, w.recorded_at, w.source, w.external_ref, w.reason_code,
  coalesce(p.public_id, r.public_id), coalesce(p.external_id, r.external_id),
  coalesce(p.store, ''),
  w.now_available - w.newer_available, w.now_pending - w.newer_pending,
  w.now_held - w.newer_held, w.newer_debt - w.now_debt
"""

_KINDS = ("available", "pending", "held", "debt")


def _sums(expression: str, prefix: str = "") -> str:
    return ", ".join(
        f"coalesce({expression.format(kind=kind)}, 0)::bigint AS {prefix}{kind}" for kind in _KINDS
    )


# What stands on the page; then each row's own change; then what is newer than the page and,
# within it, than the row.
_STATEMENT = f"""
WITH page AS MATERIALIZED (
  SELECT t.* FROM members_ledgertransaction t
  WHERE t.member_id = %(member)s::bigint AND t.currency_id = %(currency)s::bigint
    {{beyond}}
  ORDER BY t.recorded_at {{order}}, t.id {{order}} LIMIT %(limit)s::int
), top AS (
  SELECT recorded_at, id FROM page ORDER BY recorded_at DESC, id DESC LIMIT 1
), changes AS (
  SELECT p.id, coalesce(sum(abs(e.points)) FILTER (WHERE e.points > 0), 0)::bigint AS moved,
    {_sums("sum(e.points) FILTER (WHERE a.kind = '{kind}')")}
  FROM page p
  JOIN members_ledgerentry e ON e.transaction_id = p.id
  LEFT JOIN members_ledgeraccount a ON a.id = e.account_id AND a.member_id = %(member)s::bigint
  GROUP BY p.id
), present AS (
  SELECT {_sums("sum(a.balance) FILTER (WHERE a.kind = '{kind}')", "now_")}
  FROM members_ledgeraccount a
  WHERE a.member_id = %(member)s::bigint AND a.currency_id = %(currency)s::bigint
), above AS (
  SELECT {_sums("sum(e.points) FILTER (WHERE a.kind = '{kind}')", "above_")}
  FROM top, members_ledgertransaction t
  JOIN members_ledgerentry e ON e.transaction_id = t.id
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.member_id = %(member)s::bigint
  WHERE t.member_id = %(member)s::bigint AND t.currency_id = %(currency)s::bigint
    AND (t.recorded_at, t.id) > (top.recorded_at, top.id)
), windowed AS (
  SELECT p.*, c.moved, c.available, c.pending, c.held, c.debt, present.*,
    {
    ", ".join(
        f"above.above_{kind} + coalesce(sum(c.{kind}) OVER newer, 0)::bigint AS newer_{kind}"
        for kind in _KINDS
    )
}
  FROM page p JOIN changes c ON c.id = p.id CROSS JOIN present CROSS JOIN above
  WINDOW newer AS (ORDER BY p.recorded_at DESC, p.id DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
{_COLUMNS}
FROM windowed w
LEFT JOIN members_purchase p ON w.source = 'purchase'
  AND p.public_id = CASE WHEN w.source = 'purchase' THEN {{reference}} END
LEFT JOIN members_return r ON w.source = 'return'
  AND r.public_id = CASE WHEN w.source = 'return' THEN {{reference}} END
ORDER BY w.recorded_at {{order}}, w.id {{order}}
"""

# References are texts; only one that begins as an id can name a purchase or return.
_REFERENCE = (
    "CASE WHEN w.external_ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'"
    " THEN left(w.external_ref, 36)::uuid END"
)
_BEYOND = {
    "": "",
    "after": "AND t.recorded_at <= %(at)s::timestamptz"
    " AND (t.recorded_at, t.id) < (%(at)s::timestamptz, %(id)s::bigint)",
    "before": "AND t.recorded_at >= %(at)s::timestamptz"
    " AND (t.recorded_at, t.id) > (%(at)s::timestamptz, %(id)s::bigint)",
}
_STATEMENTS = {
    place: _STATEMENT.format(
        beyond=beyond, order="ASC" if place == "before" else "DESC", reference=_REFERENCE
    )
    for place, beyond in _BEYOND.items()
}


def statement_rows(
    *, member_id: int, currency_id: int, after: Key | None, before: Key | None, limit: int
) -> list[StatementRow]:
    """Return at most ``limit`` rows, nearest first: below ``after``, or above ``before``."""
    place = "before" if before is not None else "after" if after is not None else ""
    at, row_id = before or after or (None, None)
    with connection.cursor() as cursor:
        values = {"member": member_id, "currency": currency_id, "limit": limit}
        if place:
            values |= {"at": at, "id": row_id}
        cursor.execute(_STATEMENTS[place], values)
        return [_row(found) for found in cursor.fetchall()]


def _row(found: Sequence[Any]) -> StatementRow:
    values: list[Any] = [*found[:13], BalanceAfter(*found[13:])]
    return StatementRow(*values)
