-- The awards of a transaction are together the points that it issued; awards without one gave
-- nothing.
SELECT coalesce(a.transaction_id, e.transaction_id) AS transaction, a.points AS awards,
  e.points AS issued
FROM (
  SELECT transaction_id, sum(points) AS points FROM campaigns_award
  WHERE transaction_id IS NOT NULL OR points <> 0 GROUP BY transaction_id) a
FULL JOIN (
  SELECT e.transaction_id, -sum(e.points) AS points
  FROM members_ledgertransaction h
  JOIN members_ledgerentry e ON e.transaction_id = h.id
  JOIN members_ledgeraccount i ON i.id = e.account_id AND i.kind = 'issued'
  WHERE h.type = 'earn' AND h.source IN ('purchase', 'event')
  GROUP BY e.transaction_id) e ON e.transaction_id = a.transaction_id
WHERE a.points IS DISTINCT FROM e.points
