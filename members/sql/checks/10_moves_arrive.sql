-- What left one member for another arrived there, all of it, and nothing is on its way.
SELECT coalesce(o.id, i.id) AS transaction, o.type AS left_by, i.type AS arrived_by
FROM (SELECT id, type, member_id, currency_id FROM members_ledgertransaction
      WHERE type IN ('transfer_out', 'pool_out', 'merge_out')) o
FULL JOIN (SELECT id, type, member_id, currency_id, counterpart_id FROM members_ledgertransaction
           WHERE type IN ('transfer_in', 'pool_in', 'merge_in')) i ON i.counterpart_id = o.id
WHERE o.id IS NULL OR i.id IS NULL OR o.member_id = i.member_id
  OR o.currency_id <> i.currency_id
  OR (SELECT sum(e.points) FROM members_ledgerentry e
      JOIN members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'moved'
      WHERE e.transaction_id IN (o.id, i.id)) IS DISTINCT FROM 0
