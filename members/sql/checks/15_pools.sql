-- A pool's points are what its members gave less what went back to them and what the pool used or
-- lost; every lot of it has somebody who gave it, and nothing else moved on its accounts.
SELECT p.public_id AS pool, t.id AS transaction, t.type::text AS what
FROM members_pool p
JOIN members_ledgertransaction t ON t.member_id = p.holder_id
WHERE t.currency_id <> p.currency_id
  OR t.type NOT IN ('pool_in', 'pool_out', 'hold', 'release', 'redeem', 'donate',
                    'redemption_reversal', 'expire', 'reinstate')
UNION ALL
SELECT p.public_id, l.transaction_id, 'lot of nobody'
FROM members_pool p
JOIN members_ledgeraccount a ON a.member_id = p.holder_id
JOIN members_pointlot l ON l.account_id = a.id
WHERE pool_contributor(l.id) IS NULL
UNION ALL
SELECT p.public_id, i.id, 'not of its own'
FROM members_pool p
JOIN members_ledgertransaction o ON o.member_id = p.holder_id AND o.type = 'pool_out'
JOIN members_ledgertransaction i ON i.counterpart_id = o.id
JOIN members_pointlot l ON l.transaction_id = i.id
WHERE pool_contributor(l.moved_from_id) IS DISTINCT FROM i.member_id
UNION ALL
SELECT p.public_id, NULL, 'closed with members'
FROM members_pool p
JOIN members_poolmembership s ON s.pool_id = p.id AND s.left_at IS NULL
WHERE p.closed_at IS NOT NULL
UNION ALL
SELECT m.public_id, NULL, 'held by no pool'
FROM members_member m LEFT JOIN members_pool p ON p.holder_id = m.id
WHERE (m.status = 'pool') <> (p.id IS NOT NULL)
