-- What the role of the site may do with the tables of rewards. Run after every migration;
-- a repeat changes nothing. Redemptions and vouchers are kept for ever.
REVOKE DELETE, TRUNCATE ON public.rewards_redemption, public.rewards_voucher,
  public.rewards_reward FROM {site};
REVOKE UPDATE, DELETE, TRUNCATE ON public.rewards_pointstender FROM {site};
-- What was donated and what a bank document paid is never changed; a payout is voided.
REVOKE UPDATE, DELETE, TRUNCATE ON public.rewards_donation FROM {site};
REVOKE UPDATE, DELETE, TRUNCATE ON public.rewards_payout, public.rewards_payoutline FROM {site};
GRANT UPDATE (voided_at, voided_by_id) ON public.rewards_payout TO {site};
GRANT UPDATE (is_open) ON public.rewards_payoutline TO {site};
