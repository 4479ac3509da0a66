-- Every entry is on an account that its transaction's type may move in that direction, of the
-- transaction's program, currency and member.
SELECT e.transaction_id AS transaction, e.line, h.type, a.kind, e.points
FROM members_ledgerentry e
JOIN members_ledgertransaction h ON h.id = e.transaction_id
LEFT JOIN members_ledgeraccount a ON a.id = e.account_id
  AND a.program_id = h.program_id AND a.currency_id = h.currency_id
WHERE NOT coalesce(ledger_may_move(ledger_act(h.type, h.resolves_id), a.kind, e.points), false)
  OR (a.keeps_balance AND a.member_id IS DISTINCT FROM h.member_id)
