-- The open holds of a member are the held balance, and a hold is open until it is resolved.
SELECT 'balance' AS what, a.id, a.balance AS points, coalesce(h.points, 0) AS holds
FROM members_ledgeraccount a
LEFT JOIN (
  SELECT account_id, sum(points) AS points FROM members_ledgerhold
  WHERE is_open GROUP BY account_id) h ON h.account_id = a.id
WHERE a.kind = 'held' AND a.balance <> coalesce(h.points, 0)
UNION ALL
SELECT 'resolution', t.id, h.points, NULL
FROM members_ledgertransaction t
LEFT JOIN members_ledgerhold h ON h.transaction_id = t.id
LEFT JOIN members_ledgertransaction r ON r.resolves_id = t.id
WHERE t.type = 'hold' AND (h.is_open IS NULL OR h.is_open <> (r.id IS NULL))
