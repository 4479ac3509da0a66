-- No lot was given back more than a hold or a redemption had taken from it, in however many parts.
SELECT t.id AS transaction, g.lot_id AS lot, g.points AS given_back
FROM (SELECT DISTINCT coalesce(o.resolves_id, o.id, h.resolves_id) AS id
      FROM members_ledgertransaction h
      LEFT JOIN members_ledgertransaction o ON o.id = h.reverses_id
      WHERE h.type IN ('release', 'redemption_reversal')
        OR (h.type = 'redeem' AND h.resolves_id IS NOT NULL)) t
CROSS JOIN LATERAL ledger_given_back(t.id) g
WHERE g.points > coalesce((
  SELECT sum(u.points) FROM members_lotuse u
  WHERE u.transaction_id = t.id AND u.lot_id = g.lot_id AND u.kind IN ('hold', 'redeem')), 0)
