-- Points given by hand or back, and debts written off, stand under an approval of their act, their
-- currency and no fewer points, which somebody else agreed to where it was above the limit.
SELECT h.id AS transaction, h.type, h.source, h.external_ref AS reference
FROM members_ledgertransaction h
LEFT JOIN members_approval p
  ON p.public_id::text = left(h.external_ref, 36) AND p.currency_id = h.currency_id
  AND (p.act = h.source AND p.state IN ('posted', 'reversed')
       OR h.source = 'reversal' AND p.state = 'reversed')
  AND (p.member_id IS NULL OR p.member_id = h.member_id)
  AND (p.points <= p.limit_points OR p.decided_by_id <> p.requested_by_id)
  AND p.points >= (SELECT abs(sum(e.points)) FROM members_ledgerentry e
    JOIN members_ledgeraccount a ON a.id = e.account_id AND NOT a.keeps_balance
    WHERE e.transaction_id = h.id)
WHERE p.id IS NULL
  AND (h.type IN ('adjust_credit', 'import', 'reinstate') OR h.type = 'write_off' AND h.source <> 'erasure')
