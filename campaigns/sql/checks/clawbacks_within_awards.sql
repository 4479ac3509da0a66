-- A purchase is clawed back by no more than returns took back of its awards.
SELECT c.transaction_id AS transaction, c.points AS clawed_back, a.taken_back
FROM (
  SELECT h.reverses_id AS transaction_id, sum(e.points) AS points
  FROM members_ledgertransaction h
  JOIN members_ledgerentry e ON e.transaction_id = h.id
  JOIN members_ledgeraccount i ON i.id = e.account_id AND i.kind = 'issued'
  WHERE h.type = 'clawback' AND h.source = 'return' GROUP BY 1) c
LEFT JOIN (
  SELECT transaction_id, sum(taken_back) AS taken_back FROM campaigns_award
  GROUP BY transaction_id) a ON a.transaction_id = c.transaction_id
WHERE c.points > coalesce(a.taken_back, 0)
