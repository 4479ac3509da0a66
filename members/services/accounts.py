"""The accounts in which points are kept."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

# A debt has a floor only where the currency lets returns make one.
_OPEN_FOR_MEMBERS = """
INSERT INTO members_ledgeraccount (program_id, currency_id, currency_kind, member_id, kind,
    floor, balance, keeps_balance, keeps_lots)
SELECT m.program_id, c.id, c.kind, m.id, k.kind,
  CASE WHEN k.kind = 'debt' AND c.returns_policy = 'into_debt' THEN -c.debt_limit ELSE 0 END,
  0, true, false
FROM members_member m
JOIN members_pointcurrency c ON c.program_id = m.program_id
JOIN (VALUES ('available', 'qualifying'), ('available', 'redeemable'), ('pending', 'redeemable'),
      ('held', 'redeemable'), ('debt', 'redeemable')) k(kind, of) ON k.of = c.kind
WHERE {members}
ORDER BY m.id, c.id, k.kind
ON CONFLICT DO NOTHING
"""


def open_accounts(member_ids: Sequence[int]) -> None:
    """Open what the members lack of accounts, one set for each currency; a repeat opens none."""
    with connection.cursor() as cursor:
        cursor.execute(
            _OPEN_FOR_MEMBERS.format(members="m.id = ANY (%s::bigint[])"), [list(member_ids)]
        )


def open_accounts_in(currency_id: int) -> None:
    """Open the accounts of a currency for every member of its program; a repeat opens none."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_FOR_MEMBERS.format(members="c.id = %s"), [currency_id])
