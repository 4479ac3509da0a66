-- The day from which renewed points last is that of the latest act, and of none without one.
SELECT a.id AS account, a.active_on, max(y.day) AS latest
FROM members_ledgeraccount a
LEFT JOIN members_ledgeractivity y ON y.account_id = a.id
GROUP BY a.id HAVING a.active_on IS DISTINCT FROM max(y.day)
