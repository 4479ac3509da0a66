-- Points leave a member for another by a transfer that completed, and as it says; one that ended
-- otherwise gave its points back.
SELECT x.public_id AS transfer, x.state, o.id AS left_by, NULL::bigint AS arrived_by
FROM members_transfer x
JOIN members_ledgertransaction h ON h.id = x.hold_id
LEFT JOIN members_ledgertransaction o ON o.resolves_id = h.id
WHERE h.member_id <> x.sender_id
  OR (x.state = 'completed') <> (o.type IS NOT DISTINCT FROM 'transfer_out')
  OR (x.state IN ('cancelled', 'refused') AND o.type IS DISTINCT FROM 'release')
UNION ALL
SELECT x.public_id, x.state, o.id, i.id
FROM members_ledgertransaction o
LEFT JOIN members_transfer x ON x.departure_id = o.id AND x.sender_id = o.member_id
LEFT JOIN members_ledgertransaction i ON i.id = x.arrival_id AND i.counterpart_id = o.id
  AND i.member_id = x.recipient_id
WHERE o.type = 'transfer_out' AND i.id IS NULL
