-- What holds donations and payouts to the books and to each other. Rows are few, so they are
-- judged one by one; errors are of SQLSTATE class 23.

-- A donation is a fulfilled redemption of a cause whose points went to the account of donations.
CREATE OR REPLACE FUNCTION public.donation_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (
      SELECT FROM public.rewards_redemption r
      JOIN public.rewards_reward w ON w.id = r.reward_id AND w.kind = 'donation'
      JOIN public.members_ledgertransaction t ON t.id = r.debit_id AND t.type = 'donate'
        AND t.member_id = r.member_id
      WHERE r.id = NEW.redemption_id AND r.reward_id = NEW.reward_id AND r.points = NEW.points
        AND r.state = 'fulfilled'
        AND NEW.points = (SELECT sum(e.points) FROM public.members_ledgerentry e
          JOIN public.members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'donated'
          WHERE e.transaction_id = t.id)) THEN
    RAISE EXCEPTION 'a donation is a redemption whose points were donated'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'rewards_donation_is_donated';
  END IF;
  RETURN NEW;
END $$;

-- What was paid out to a cause is not taken back, and a donation is taken back as a whole.
CREATE OR REPLACE FUNCTION public.donation_kept() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM public.rewards_donation d WHERE d.redemption_id = NEW.id) THEN
    RETURN NEW;
  END IF;
  IF NEW.points <> OLD.points OR NEW.reward_id <> OLD.reward_id
      OR NEW.debit_id IS DISTINCT FROM OLD.debit_id
      OR NEW.points_given_back <> (CASE NEW.state WHEN 'cancelled' THEN NEW.points ELSE 0 END)
      OR NOT (NEW.state = OLD.state OR OLD.state = 'fulfilled' AND NEW.state = 'cancelled') THEN
    RAISE EXCEPTION 'a donation stands, or is taken back as a whole'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'rewards_donation_as_a_whole';
  END IF;
  IF NEW.state = 'cancelled' AND EXISTS (
      SELECT FROM public.rewards_payoutline l WHERE l.donation_id = NEW.id AND l.is_open) THEN
    RAISE EXCEPTION 'a donation that was paid out is not taken back'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'rewards_donation_paid_out';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION public.payoutline_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.id, NEW.payout_id, NEW.donation_id, NEW.amount, NEW.is_open)
        IS DISTINCT FROM (OLD.id, OLD.payout_id, OLD.donation_id, OLD.amount, false) THEN
      RAISE EXCEPTION 'a line of a payout is closed, and never changes otherwise'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'rewards_payoutline_kept';
    END IF;
    RETURN NEW;
  END IF;
  -- A cancellation holds the same row: whichever comes second sees what the first did.
  PERFORM FROM public.rewards_redemption r WHERE r.id = NEW.donation_id FOR SHARE;
  IF NOT EXISTS (
      SELECT FROM public.rewards_donation d
      JOIN public.rewards_redemption r ON r.id = d.redemption_id AND r.state = 'fulfilled'
      JOIN public.rewards_payout p ON p.id = NEW.payout_id AND p.reward_id = d.reward_id
        AND p.voided_at IS NULL
      WHERE d.redemption_id = NEW.donation_id AND NEW.is_open
        AND NEW.amount = d.amount + d.match_amount) THEN
    RAISE EXCEPTION 'a payout pays donations to its cause that stand, as much as they are worth'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'rewards_payoutline_worth';
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION public.payout_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (NEW.id, NEW.public_id, NEW.program_id, NEW.reward_id, NEW.document_date, NEW.reference,
      NEW.amount, NEW.recorded_at, NEW.recorded_by_id)
      IS DISTINCT FROM
      (OLD.id, OLD.public_id, OLD.program_id, OLD.reward_id, OLD.document_date, OLD.reference,
       OLD.amount, OLD.recorded_at, OLD.recorded_by_id)
      OR OLD.voided_at IS NOT NULL THEN
    RAISE EXCEPTION 'a payout is voided once, and never changes otherwise'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'rewards_payout_kept';
  END IF;
  RETURN NEW;
END $$;

-- At commit, when all lines are there: a document paid the sum of its donations, neither more nor
-- less, and a voided one holds none.
CREATE OR REPLACE FUNCTION public.payout_adds_up() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  payout bigint := CASE TG_TABLE_NAME WHEN 'rewards_payout' THEN (to_jsonb(NEW) ->> 'id')::bigint
    ELSE (to_jsonb(NEW) ->> 'payout_id')::bigint END;
BEGIN
  IF EXISTS (
      SELECT FROM public.rewards_payout p
      LEFT JOIN public.rewards_payoutline l ON l.payout_id = p.id
      WHERE p.id = payout
      GROUP BY p.id
      HAVING coalesce(sum(l.amount), 0) <> p.amount
        OR bool_or(l.is_open <> (p.voided_at IS NULL))) THEN
    RAISE EXCEPTION 'a payout is the sum of the donations that it pays'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'rewards_payout_adds_up';
  END IF;
  RETURN NULL;
END $$;

ALTER TABLE public.rewards_donation
  ADD CONSTRAINT rewards_donation_amount CHECK (amount = round(points * rate, digits)),
  ADD CONSTRAINT rewards_donation_match
    CHECK (match_amount = round(points * rate * match_percent / 100, digits));
CREATE TRIGGER judged BEFORE INSERT ON public.rewards_donation
  FOR EACH ROW EXECUTE FUNCTION public.donation_judged();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.rewards_donation EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER donation_kept BEFORE UPDATE ON public.rewards_redemption
  FOR EACH ROW WHEN (OLD.debit_id IS NOT NULL) EXECUTE FUNCTION public.donation_kept();
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.rewards_payoutline
  FOR EACH ROW EXECUTE FUNCTION public.payoutline_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.rewards_payoutline EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER judged BEFORE UPDATE ON public.rewards_payout
  FOR EACH ROW EXECUTE FUNCTION public.payout_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.rewards_payout EXECUTE FUNCTION public.refuse_change();
CREATE CONSTRAINT TRIGGER adds_up AFTER INSERT OR UPDATE ON public.rewards_payout
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.payout_adds_up();
CREATE CONSTRAINT TRIGGER adds_up AFTER INSERT OR UPDATE ON public.rewards_payoutline
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.payout_adds_up();
