-- What the role of the site may do with the tables of members. Run after every migration;
-- a repeat changes nothing. The tables of the books are narrowed to what posting needs:
-- columns that the database stamps or derives are left out.
GRANT USAGE ON SCHEMA public TO {site};
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON
  public.members_ledgeraccount, public.members_ledgertransaction, public.members_ledgerentry,
  public.members_pointlot, public.members_lotuse, public.members_ledgerhold,
  public.members_consentrecord FROM {site};
GRANT SELECT ON
  public.members_ledgeraccount, public.members_ledgertransaction, public.members_ledgerentry,
  public.members_pointlot, public.members_lotuse, public.members_ledgerhold,
  public.members_consentrecord TO {site};
GRANT INSERT (program_id, currency_id, currency_kind, member_id, kind, floor, balance,
    keeps_balance, keeps_lots, ceiling, active_on, lock_touch), UPDATE (lock_touch, floor)
  ON public.members_ledgeraccount TO {site};
GRANT INSERT (id, public_id, program_id, currency_id, member_id, type, source, external_ref,
    actor, occurred_at, recorded_at, reverses_id, resolves_id, hold_expires_at, reason_code,
    counterpart_id)
  ON public.members_ledgertransaction TO {site};
GRANT INSERT ON public.members_ledgerentry TO {site};
GRANT INSERT (id, transaction_id, account_id, points, remaining, earned_at, available_at,
    expires_at, renew_months, waits_for, moved_from_id)
  ON public.members_pointlot TO {site};
GRANT INSERT (transaction_id, lot_id, kind, points) ON public.members_lotuse TO {site};
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.members_ledgeractivity FROM {site};
GRANT SELECT, INSERT (account_id, day, act, occurred_at, recorded_at)
  ON public.members_ledgeractivity TO {site};
GRANT INSERT ON public.members_consentrecord TO {site};
-- Purchases and returns are facts: only what happens to them later may change.
REVOKE UPDATE, DELETE, TRUNCATE ON public.members_purchase, public.members_purchaseline,
  public.members_return, public.members_returnline FROM {site};
GRANT UPDATE (state, member_id, claimed_at, evaluation) ON public.members_purchase TO {site};
GRANT UPDATE (state, purchase_id, applied_at, points, problem) ON public.members_return TO {site};
-- Restored without the rights of the dump, a function may be run by everybody.
REVOKE EXECUTE ON FUNCTION public.ledger_new_epoch() FROM PUBLIC;
-- Acts of staff: what one person did alone in a day is counted by the approvals' trigger.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.members_staffday FROM {site};
GRANT SELECT ON public.members_staffday TO {site};
REVOKE DELETE, TRUNCATE ON public.members_approval, public.members_adjustment,
  public.members_pointbatch, public.members_pointbatchrow, public.members_pointsorder,
  public.members_reinstatement FROM {site};
-- The site seals by ledger_seal, which runs as the owner, and signs what is sealed.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON
  public.members_ledgerseal, public.members_ledgernode, public.members_ledgercheckpoint
  FROM {site};
GRANT SELECT ON
  public.members_ledgerseal, public.members_ledgernode, public.members_ledgercheckpoint TO {site};
GRANT INSERT ON public.members_ledgercheckpoint TO {site};
REVOKE EXECUTE ON FUNCTION public.ledger_grow_tree(bigint, bigint) FROM PUBLIC;
-- Partners: packs and movements are never changed, and balances are counted by the triggers.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON public.members_partnerbalance FROM {site};
GRANT SELECT ON public.members_partnerbalance TO {site};
REVOKE DELETE, TRUNCATE ON public.members_partner, public.members_partnerstatement FROM {site};
REVOKE UPDATE, DELETE, TRUNCATE ON
  public.members_partnerfunding, public.members_partnermovement FROM {site};
GRANT UPDATE (state, transaction_id) ON public.members_partnermovement TO {site};
-- Moves are told once and never changed; an erasure removes them.
REVOKE UPDATE, TRUNCATE ON public.members_scoremove, public.members_segmentmove,
  public.members_birthdatechange, public.members_attributechange FROM {site};
