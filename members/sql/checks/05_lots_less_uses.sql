-- What remains of a lot is its points less its uses, and never below zero or above the lot.
SELECT l.id AS lot, l.points, l.remaining, coalesce(u.points, 0) AS used
FROM members_pointlot l
FULL JOIN (
  SELECT lot_id, sum(points) AS points FROM members_lotuse GROUP BY lot_id) u ON u.lot_id = l.id
WHERE l.id IS NULL OR l.remaining <> l.points - coalesce(u.points, 0)
  OR l.remaining < 0 OR l.remaining > l.points
