-- Points pay orders of the member who redeemed them, and only points that were spent.
SELECT t.id AS tender, p.public_id AS purchase, r.public_id AS redemption, r.state
FROM rewards_pointstender t
JOIN members_purchase p ON p.id = t.purchase_id
JOIN rewards_redemption r ON r.id = t.redemption_id
WHERE p.member_id IS DISTINCT FROM r.member_id OR r.debit_id IS NULL
