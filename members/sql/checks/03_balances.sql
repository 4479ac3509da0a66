-- The balance of every member's account is the sum of its entries, between its floor and its
-- ceiling; a program's account keeps none.
SELECT a.id AS account, a.kind, a.balance, coalesce(e.points, 0) AS entries
FROM members_ledgeraccount a
LEFT JOIN (
  SELECT account_id, sum(points) AS points FROM members_ledgerentry GROUP BY account_id) e
  ON e.account_id = a.id
WHERE a.balance <> CASE WHEN a.keeps_balance THEN coalesce(e.points, 0) ELSE 0 END
  OR (a.keeps_balance AND (a.balance < a.floor OR a.balance > a.ceiling))
  OR a.keeps_balance <> (a.kind IN ('available', 'pending', 'held', 'debt'))
  OR a.keeps_lots
     <> (a.kind IN ('available', 'pending') AND a.currency_kind = 'redeemable')
