-- A code is accepted only while its redemption stands, and a used one belongs to a redemption
-- that was fulfilled.
SELECT v.id AS voucher, v.state, r.state AS redemption
FROM rewards_voucher v
JOIN rewards_redemption r ON r.id = v.redemption_id
WHERE (v.state = 'issued' AND r.state IN ('held', 'cancelled', 'expired'))
  OR (v.state = 'used' AND r.state <> 'fulfilled')
