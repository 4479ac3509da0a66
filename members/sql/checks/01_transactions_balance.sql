-- Every transaction has two entries or more, of its own currency, that sum to zero.
SELECT h.id AS transaction, e.lines, e.points
FROM members_ledgertransaction h
FULL JOIN (
  SELECT transaction_id, count(*) AS lines, sum(points) AS points,
    min(currency_id) AS lowest, max(currency_id) AS highest
  FROM members_ledgerentry GROUP BY transaction_id) e ON e.transaction_id = h.id
WHERE h.id IS NULL OR e.lines IS NULL OR e.lines < 2 OR e.points <> 0
  OR e.lowest <> h.currency_id OR e.highest <> h.currency_id
