-- Points between a member and a partner are a movement at its rates and one transaction; a partner's
-- balance is the sum of its movements, and a month's statement theirs.
SELECT t.id AS transaction, m.public_id AS movement, NULL::text AS partner, NULL::date AS month
FROM members_ledgertransaction t
JOIN members_ledgerentry e ON e.transaction_id = t.id
JOIN members_ledgeraccount a ON a.id = e.account_id AND a.kind LIKE 'partner:%'
LEFT JOIN members_partnermovement m ON m.transaction_id = t.id
LEFT JOIN members_partner p ON p.id = m.partner_id
WHERE p.id IS NULL OR a.kind <> 'partner:' || p.code OR t.external_ref <> m.public_id::text
  OR e.points <> (CASE m.kind WHEN 'exchange_out' THEN m.points ELSE -m.points END)
UNION ALL
SELECT NULL, m.public_id, p.code, m.month
FROM members_partnermovement m
JOIN members_partner p ON p.id = m.partner_id
LEFT JOIN members_partnermovement b ON b.original_id = m.id
WHERE m.transaction_id IS NULL OR (m.state = 'failed') <> (b.id IS NOT NULL)
  OR abs(m.amount) <> (CASE WHEN p.funding = 'prepaid' AND m.kind IN ('credit', 'exchange_in')
    THEN 0 ELSE m.points * m.price END)
UNION ALL
SELECT NULL, NULL, p.code, NULL
FROM members_partner p
LEFT JOIN members_partnerbalance b ON b.partner_id = p.id
CROSS JOIN LATERAL (SELECT
    coalesce(sum(m.points) FILTER (WHERE m.kind IN ('credit', 'exchange_in')), 0) AS given,
    coalesce(sum(CASE m.kind WHEN 'exchange_out' THEN m.points
      WHEN 'exchange_back' THEN -m.points END), 0) AS taken
  FROM members_partnermovement m WHERE m.partner_id = p.id) m
CROSS JOIN LATERAL (SELECT coalesce(sum(f.points), 0) AS funded
  FROM members_partnerfunding f WHERE f.partner_id = p.id) f
WHERE (b.given, b.taken, b.funded) IS DISTINCT FROM (m.given, m.taken, f.funded)
UNION ALL
SELECT NULL, NULL, p.code, s.month
FROM members_partnerstatement s
JOIN members_partner p ON p.id = s.partner_id
LEFT JOIN members_partnermovement m ON m.partner_id = s.partner_id AND m.month = s.month
WHERE s.closed_at IS NOT NULL
GROUP BY p.code, s.id
HAVING coalesce(sum(m.amount), 0) <> s.net_amount OR count(m.id) <> s.movements
