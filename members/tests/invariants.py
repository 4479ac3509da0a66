"""What holds of the books after every act, whatever the act was."""

from __future__ import annotations

from members.services import reconciliation
from members.tests.books import Connection

# Of one member: balances are the sums of entries, of open lots and of open holds; entries sum to
# zero; lots are short of what was used of them.
TOUCHED = """
SELECT
  bool_and(a.balance = (SELECT coalesce(sum(e.points), 0) FROM members_ledgerentry e
                        WHERE e.account_id = a.id)),
  bool_and(NOT a.keeps_lots OR a.balance = (
    SELECT coalesce(sum(l.remaining), 0) FROM members_pointlot l WHERE l.account_id = a.id)),
  bool_and(a.kind <> 'held' OR a.balance = (
    SELECT coalesce(sum(h.points), 0) FROM members_ledgerhold h
    WHERE h.account_id = a.id AND h.is_open)),
  (SELECT coalesce(sum(e.points), 0) = 0 FROM members_ledgertransaction t
   JOIN members_ledgerentry e ON e.transaction_id = t.id WHERE t.member_id = %(member)s),
  (SELECT bool_and(l.remaining = l.points - (SELECT coalesce(sum(u.points), 0)
     FROM members_lotuse u WHERE u.lot_id = l.id))
   FROM members_pointlot l JOIN members_ledgeraccount o ON o.id = l.account_id
   WHERE o.member_id = %(member)s) IS NOT FALSE
FROM members_ledgeraccount a WHERE a.member_id = %(member)s
"""
# An account that was below zero at some instant of its past.
NEGATIVE_ONCE = """
SELECT account_id, occurred_at, points FROM (
  SELECT e.account_id, t.occurred_at,
    sum(sum(e.points)) OVER (PARTITION BY e.account_id ORDER BY t.occurred_at) AS points
  FROM members_ledgerentry e
  JOIN members_ledgertransaction t ON t.id = e.transaction_id
  JOIN members_ledgeraccount a ON a.id = e.account_id
  WHERE a.kind IN ('available', 'pending', 'held') AND a.member_id = ANY (%s)
  GROUP BY e.account_id, t.occurred_at) x
WHERE points < 0
"""


def prove_whole_ledger(connection: Connection) -> None:
    """Hold the whole ledger to every invariant that ``verify_ledger`` proves."""
    for check in reconciliation.checks():
        assert connection.execute(check.sql.encode()).fetchall() == [], check.invariant
