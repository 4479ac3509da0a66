-- Every donation is points on the account of donations, worth its points at its rate, and a bank
-- document paid the sum of its donations, none of them twice and none that was taken back.
SELECT t.id AS transaction, r.public_id AS redemption, NULL::text AS document
FROM members_ledgertransaction t
LEFT JOIN rewards_redemption r ON r.debit_id = t.id
LEFT JOIN rewards_donation d ON d.redemption_id = r.id
WHERE t.type = 'donate' AND d.points IS DISTINCT FROM (
  SELECT sum(e.points)::bigint FROM members_ledgerentry e
  JOIN members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'donated'
  WHERE e.transaction_id = t.id)
UNION ALL
SELECT r.debit_id, r.public_id, NULL
FROM rewards_donation d
JOIN rewards_redemption r ON r.id = d.redemption_id
LEFT JOIN members_ledgertransaction t ON t.id = r.debit_id AND t.type = 'donate'
WHERE t.id IS NULL OR d.points <> r.points OR d.reward_id <> r.reward_id
  OR d.amount <> round(d.points * d.rate, d.digits)
  OR d.match_amount <> round(d.points * d.rate * d.match_percent / 100, d.digits)
UNION ALL
SELECT NULL, NULL, p.reference
FROM rewards_payout p
LEFT JOIN rewards_payoutline l ON l.payout_id = p.id
LEFT JOIN rewards_donation d ON d.redemption_id = l.donation_id
LEFT JOIN rewards_redemption r ON r.id = l.donation_id
GROUP BY p.id
HAVING p.amount IS DISTINCT FROM sum(l.amount)
  OR bool_or(l.amount <> d.amount + d.match_amount OR d.reward_id <> p.reward_id
             OR l.is_open <> (p.voided_at IS NULL) OR l.is_open AND r.state <> 'fulfilled')
UNION ALL
SELECT NULL, r.public_id, NULL
FROM rewards_payoutline l JOIN rewards_redemption r ON r.id = l.donation_id
WHERE l.is_open GROUP BY r.id HAVING count(*) > 1
