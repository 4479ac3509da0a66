-- Points that were paid for are those of the orders, less what was refunded: of each order, and
-- of each currency together.
SELECT o.approval_id AS pointsorder, o.currency_id AS currency,
  o.points AS ordered, -c.points AS sold, o.refunded_points AS refunded, d.points AS taken_back
FROM members_pointsorder o
JOIN members_approval p ON p.id = o.approval_id
LEFT JOIN LATERAL (SELECT sum(e.points) AS points FROM members_ledgerentry e
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'sold'
  WHERE e.transaction_id = o.transaction_id) c ON true
LEFT JOIN LATERAL (SELECT sum(e.points) AS points FROM members_ledgerentry e
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'sold'
  WHERE e.transaction_id = o.refund_id) d ON true
WHERE (p.state IN ('posted', 'reversed')) <> (o.transaction_id IS NOT NULL)
  OR (p.state = 'reversed') <> (o.state = 'refunded')
  OR o.transaction_id IS NOT NULL AND c.points IS DISTINCT FROM -o.points
  OR d.points IS DISTINCT FROM o.refunded_points
UNION ALL
SELECT NULL, coalesce(s.currency_id, o.currency_id), coalesce(o.points, 0), coalesce(s.points, 0),
  NULL, NULL
FROM (SELECT a.currency_id, -sum(e.points) AS points FROM members_ledgeraccount a
      JOIN members_ledgerentry e ON e.account_id = a.id
      WHERE a.kind = 'sold' GROUP BY 1) s
FULL JOIN (SELECT o.currency_id, sum(o.points - coalesce(o.refunded_points, 0)) AS points
           FROM members_pointsorder o WHERE o.transaction_id IS NOT NULL GROUP BY 1) o
  ON o.currency_id = s.currency_id
WHERE coalesce(s.points, 0) <> coalesce(o.points, 0)
