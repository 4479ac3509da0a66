-- What the role of the site may do with the tables of rewards. Run after every migration;
-- a repeat changes nothing. Redemptions and vouchers are kept for ever.
REVOKE DELETE, TRUNCATE ON public.rewards_redemption, public.rewards_voucher,
  public.rewards_reward FROM {site};
REVOKE UPDATE, DELETE, TRUNCATE ON public.rewards_pointstender FROM {site};
