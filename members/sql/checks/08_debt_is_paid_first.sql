-- A member in debt has no available points: whatever raises them pays the debt first.
SELECT d.id AS account, d.balance AS debt, a.balance AS available
FROM members_ledgeraccount d
JOIN members_ledgeraccount a ON a.member_id = d.member_id
  AND a.currency_id = d.currency_id AND a.kind = 'available'
WHERE d.kind = 'debt' AND d.balance < 0 AND a.balance > 0
