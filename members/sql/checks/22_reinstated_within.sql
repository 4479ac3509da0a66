-- No lot was given back more than expired of it, and what was given back has an end.
SELECT l.moved_from_id AS lot, sum(l.points) AS given_back
FROM members_ledgertransaction h JOIN members_pointlot l ON l.transaction_id = h.id
WHERE h.type = 'reinstate'
GROUP BY l.moved_from_id
HAVING bool_or(l.expires_at IS NULL) OR sum(l.points) > (
  SELECT coalesce(sum(u.points), 0) FROM members_lotuse u
  WHERE u.lot_id = l.moved_from_id AND u.kind = 'expire')
