-- The open lots of an account that keeps lots hold together its balance.
SELECT a.id AS account, a.kind, a.balance, coalesce(l.remaining, 0) AS lots
FROM members_ledgeraccount a
FULL JOIN (
  SELECT account_id, sum(remaining) AS remaining FROM members_pointlot
  WHERE remaining <> 0 GROUP BY account_id) l ON l.account_id = a.id
WHERE a.id IS NULL OR coalesce(l.remaining, 0) <> CASE WHEN a.keeps_lots THEN a.balance ELSE 0 END
