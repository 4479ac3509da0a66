-- Reversals oppose their original on its program accounts, and in sum stay within it.
SELECT r.original AS transaction, r.account_id AS account, r.points AS reversed,
  o.points AS original
FROM (
  SELECT h.reverses_id AS original, e.account_id, sum(e.points) AS points
  FROM members_ledgertransaction h
  JOIN members_ledgerentry e ON e.transaction_id = h.id
  JOIN members_ledgeraccount a ON a.id = e.account_id AND NOT a.keeps_balance
  WHERE h.reverses_id IS NOT NULL GROUP BY 1, 2) r
LEFT JOIN LATERAL (
  SELECT sum(e.points) AS points FROM members_ledgerentry e
  WHERE e.transaction_id = r.original AND e.account_id = r.account_id) o ON true
WHERE o.points IS NULL OR sign(r.points) = sign(o.points) OR abs(r.points) > abs(o.points)
