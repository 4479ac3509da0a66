-- The standing memberships of a member follow each other without overlap.
SELECT t.id AS membership, t.starts_at, t.previous_end
FROM (
  SELECT id, starts_at, ends_at, superseded_at,
    lag(coalesce(ends_at, 'infinity')) OVER (
      PARTITION BY member_id ORDER BY starts_at, id) AS previous_end
  FROM members_tiermembership
  WHERE superseded_at IS NULL AND (ends_at IS NULL OR ends_at > starts_at)) t
WHERE t.previous_end > t.starts_at
