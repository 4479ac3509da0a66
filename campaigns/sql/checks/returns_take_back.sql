-- What returns took back of an award is the sum of its reversals; of a purchase that came back
-- as a whole nothing is left.
SELECT a.id AS award, a.points, a.taken_back, coalesce(r.points, 0) AS reversals
FROM campaigns_award a
LEFT JOIN (
  SELECT award_id, sum(points) AS points FROM campaigns_awardreversal GROUP BY award_id) r
  ON r.award_id = a.id
LEFT JOIN members_purchase p ON p.id = a.purchase_id
WHERE a.taken_back <> coalesce(r.points, 0)
  OR (p.state = 'returned' AND a.taken_back <> a.points)
