-- A redemption's ledger transactions are its member's, or the pool's that pays, and its points, and stand as it stands: a
-- hold is open while it is held and held the price of all its pieces, and what was given back of
-- the points paid is what the redemption says. A hold whose time is over may be released before
-- the job that calls its redemption expired.
SELECT r.public_id AS redemption, r.state, r.points, h.points AS held, d.points AS paid,
  b.points AS given_back
FROM rewards_redemption r
LEFT JOIN members_ledgerhold h ON h.transaction_id = r.hold_id
LEFT JOIN LATERAL (
  SELECT t.member_id, t.type, sum(e.points) AS points FROM members_ledgertransaction t
  JOIN members_ledgerentry e ON e.transaction_id = t.id
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.kind IN ('redeemed', 'donated')
  WHERE t.id = r.debit_id GROUP BY 1, 2) d ON true
LEFT JOIN LATERAL (
  SELECT -sum(e.points) AS points FROM members_ledgertransaction t
  JOIN members_ledgerentry e ON e.transaction_id = t.id
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.kind IN ('redeemed', 'donated')
  WHERE t.reverses_id = r.debit_id) b ON true
WHERE (r.debit_id IS NOT NULL AND (d.points IS DISTINCT FROM r.points
       OR d.member_id IS DISTINCT FROM coalesce(r.payer_id, r.member_id) OR d.type NOT IN ('redeem', 'donate')))
  OR (r.hold_id IS NOT NULL AND h.points * r.quantity IS DISTINCT FROM r.points * r.held_quantity)
  OR (coalesce(h.is_open, false) <> (r.state = 'held')
      AND NOT (r.state = 'held' AND EXISTS (
        SELECT FROM members_ledgertransaction t WHERE t.resolves_id = r.hold_id
          AND t.type = 'release' AND t.occurred_at >= r.hold_expires_at)))
  OR coalesce(b.points, 0) <> r.points_given_back
