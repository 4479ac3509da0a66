-- Every entry is on an account that its transaction's type may move in that direction, of the
-- transaction's program, currency and member.
SELECT e.transaction_id AS transaction, e.line, h.type, a.kind, e.points
FROM members_ledgerentry e
JOIN members_ledgertransaction h ON h.id = e.transaction_id
LEFT JOIN members_ledgeraccount a ON a.id = e.account_id
  AND a.program_id = h.program_id AND a.currency_id = h.currency_id
LEFT JOIN (
  SELECT t.act, k.kind, d.direction
  FROM (SELECT DISTINCT ledger_act(type, resolves_id) AS act FROM members_ledgertransaction) t
  CROSS JOIN (SELECT DISTINCT kind FROM members_ledgeraccount) k
  CROSS JOIN (VALUES (-1), (1)) d(direction)
  WHERE ledger_may_move(t.act, k.kind, d.direction)) m
  ON m.act = ledger_act(h.type, h.resolves_id) AND m.kind = a.kind
  AND m.direction = CASE WHEN e.points > 0 THEN 1 ELSE -1 END
WHERE m.act IS NULL OR (a.keeps_balance AND a.member_id IS DISTINCT FROM h.member_id)
