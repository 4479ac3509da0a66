-- Points between members and partners: each movement is held to the rates of its moment and to one
-- transaction of the ledger, a prepaid partner gives what it paid for and no point more, and a month that
-- was closed says for ever what it said. Rows are few, so they are judged one by one; errors are
-- of SQLSTATE class 23. The row of the partner's balance is locked last.
CREATE OR REPLACE FUNCTION public.partner_movement_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  p record;
  r record;
  o record;
  fits boolean;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (to_jsonb(NEW) - 'state' - 'transaction_id') <> (to_jsonb(OLD) - 'state' - 'transaction_id')
        OR OLD.transaction_id IS NOT NULL AND NEW.transaction_id IS DISTINCT FROM OLD.transaction_id
        OR OLD.state <> NEW.state AND (OLD.state <> 'requested' OR NEW.state = 'failed'
          AND NOT EXISTS (SELECT FROM public.members_partnermovement b
                          WHERE b.original_id = NEW.id)) THEN
      RAISE EXCEPTION 'a movement ends once, and never changes otherwise'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'members_partnermovement_kept';
    END IF;
    RETURN NEW;
  END IF;
  SELECT x.*, (NEW.recorded_at AT TIME ZONE g.timezone)::date AS today INTO p
    FROM public.members_partner x JOIN public.members_program g ON g.id = x.program_id
    WHERE x.id = NEW.partner_id;
  -- Whoever closes a month holds the row of the balance, so that nothing comes into it meanwhile.
  PERFORM FROM public.members_partnerbalance b WHERE b.partner_id = NEW.partner_id
    FOR NO KEY UPDATE;
  SELECT * INTO r FROM public.members_partnerrate t
    WHERE t.partner_id = NEW.partner_id AND t.starts_at <= NEW.recorded_at
    ORDER BY t.starts_at DESC LIMIT 1;
  fits := NEW.transaction_id IS NULL AND NEW.day = p.today
    AND NEW.month = date_trunc('month', p.today)::date
    AND NOT EXISTS (SELECT FROM public.members_partnerstatement s
      WHERE s.partner_id = NEW.partner_id AND s.month = NEW.month AND s.closed_at IS NOT NULL);
  CASE NEW.kind
    WHEN 'credit' THEN
      fits := fits AND NEW.units IS NULL AND NEW.rate IS NULL AND NEW.state = 'confirmed';
    WHEN 'exchange_in' THEN
      fits := fits AND NEW.rate = r.rate_in AND NEW.points = floor(NEW.units * NEW.rate)
        AND NEW.state = 'confirmed';
    WHEN 'exchange_out' THEN
      fits := fits AND NEW.rate = r.rate_out AND NEW.units = trunc(NEW.points * NEW.rate, 6)
        AND NEW.state = 'requested' AND NEW.price = r.price_out
        AND NEW.amount = -NEW.points * NEW.price;
    ELSE
      SELECT * INTO o FROM public.members_partnermovement m WHERE m.id = NEW.original_id FOR UPDATE;
      fits := fits AND o.kind = 'exchange_out' AND o.state = 'requested'
        AND (o.partner_id, o.member_id, o.points, o.units, o.rate, o.price, o.amount)
          = (NEW.partner_id, NEW.member_id, NEW.points, NEW.units, NEW.rate, NEW.price, -NEW.amount)
        AND NEW.state = 'confirmed';
  END CASE;
  IF NEW.kind IN ('credit', 'exchange_in') THEN
    -- What a prepaid partner gives, it has paid for.
    fits := fits AND NEW.price = r.price_in AND NEW.amount
      = (CASE p.funding WHEN 'prepaid' THEN 0 ELSE NEW.points * NEW.price END);
  END IF;
  IF fits IS NOT TRUE THEN
    RAISE EXCEPTION 'a movement is at the rates of its moment, in a month that is open'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_partnermovement_rates';
  END IF;
  -- members_partnerbalance_within_funds refuses what goes beyond the pack.
  UPDATE public.members_partnerbalance b SET
      given = b.given + (CASE WHEN NEW.kind IN ('credit', 'exchange_in') THEN NEW.points ELSE 0 END),
      taken = b.taken + (CASE NEW.kind WHEN 'exchange_out' THEN NEW.points
        WHEN 'exchange_back' THEN -NEW.points ELSE 0 END)
    WHERE b.partner_id = NEW.partner_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a partner without a balance' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

-- At commit: what the movement says is what the ledger posted, at once and as a whole.
CREATE OR REPLACE FUNCTION public.partner_movement_posted() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (
      SELECT FROM public.members_partnermovement m
      JOIN public.members_partner p ON p.id = m.partner_id
      JOIN public.members_ledgertransaction t ON t.id = m.transaction_id
        AND t.source = 'partner' AND t.external_ref = m.public_id::text
        AND t.member_id = m.member_id AND t.currency_id = p.currency_id
        AND t.type = (CASE m.kind WHEN 'exchange_out' THEN 'exchange_out'
          WHEN 'exchange_back' THEN 'redemption_reversal' ELSE 'exchange_in' END)
      LEFT JOIN public.members_partnermovement o ON o.id = m.original_id
      WHERE m.id = NEW.id AND t.reverses_id IS NOT DISTINCT FROM o.transaction_id
        AND (o.id IS NULL OR o.state = 'failed')
        AND (SELECT sum(e.points) FROM public.members_ledgerentry e
          JOIN public.members_ledgeraccount a ON a.id = e.account_id
            AND a.kind = 'partner:' || p.code
          WHERE e.transaction_id = t.id)
          = (CASE m.kind WHEN 'exchange_out' THEN m.points ELSE -m.points END)) THEN
    RAISE EXCEPTION 'a movement is one transaction of the ledger'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_partnermovement_posted';
  END IF;
  RETURN NULL;
END $$;

-- The ledger's side of the same: points come from a partner and go to it by a movement that was
-- written before them. Called by the entries' trigger for the types of exchange alone.
CREATE OR REPLACE FUNCTION public.ledger_judge_exchanges(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction h
      LEFT JOIN public.members_partnermovement m ON m.public_id = (CASE
          WHEN h.external_ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
          THEN h.external_ref::uuid END)
        AND m.member_id = h.member_id AND h.source = 'partner' AND m.transaction_id IS NULL
        AND (m.kind = 'exchange_out' AND h.type = 'exchange_out'
             OR m.kind IN ('credit', 'exchange_in') AND h.type = 'exchange_in')
      LEFT JOIN public.members_partner p ON p.id = m.partner_id AND p.currency_id = h.currency_id
      WHERE h.id = ANY (p_transactions) AND h.type IN ('exchange_in', 'exchange_out')
        AND (p.id IS NULL OR m.points <> (
          SELECT abs(sum(e.points)) FROM public.members_ledgerentry e
          JOIN public.members_ledgeraccount a ON a.id = e.account_id
            AND a.kind = 'partner:' || p.code
          WHERE e.transaction_id = h.id)
          OR EXISTS (SELECT FROM public.members_ledgerentry e
            JOIN public.members_ledgeraccount a ON a.id = e.account_id AND NOT a.keeps_balance
            WHERE e.transaction_id = h.id AND a.kind <> 'partner:' || p.code))) THEN
    RAISE EXCEPTION 'points are exchanged with a partner by a movement of it'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_ledgertransaction_of_partner';
  END IF;
END $$;

-- Take available points to a partner, soonest expiry first. The caller has locked the member and
-- settled what is due. Refused with 23514 when they are not there or the member is in debt.
CREATE OR REPLACE FUNCTION public.ledger_exchange_out(p_member bigint, p_currency bigint,
    p_points bigint, p_counter text, p_ref text, p_actor text, p_occurred_at timestamptz,
    p_recorded_at timestamptz)
  RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  a record;
  taken record;
BEGIN
  SELECT id, program_id INTO a FROM public.members_ledgeraccount
    WHERE member_id = p_member AND currency_id = p_currency AND kind = 'available'
    FOR NO KEY UPDATE;
  IF EXISTS (SELECT FROM public.members_ledgeraccount d WHERE d.member_id = p_member
             AND d.currency_id = p_currency AND d.kind = 'debt' AND d.balance < 0) THEN
    RAISE EXCEPTION 'in debt' USING ERRCODE = 'check_violation';
  END IF;
  SELECT array_agg(t.lot_id) AS lots, array_agg(t.points) AS points,
      coalesce(sum(t.points), 0) AS total
    INTO taken FROM public.ledger_take(a.id, p_points) t;
  IF taken.total < p_points OR p_points <= 0 THEN
    RAISE EXCEPTION 'not enough points' USING ERRCODE = 'check_violation';
  END IF;
  RETURN (public.ledger_post(a.program_id, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', p_member, 'currency', p_currency,
      'type', 'exchange_out', 'source', 'partner', 'ref', p_ref, 'actor', p_actor,
      'occurred_at', greatest(p_occurred_at, public.ledger_earliest_debit(taken.lots)))),
    'lots', '[]'::jsonb,
    'uses', (SELECT jsonb_agg(jsonb_build_object('h', 0, 'lot', u.lot, 'points', u.points,
               'kind', 'redeem')) FROM unnest(taken.lots, taken.points) u(lot, points)),
    'entries', jsonb_build_array(
      jsonb_build_object('h', 0, 'account', a.id, 'points', -p_points),
      jsonb_build_object('h', 0, 'points', p_points,
        'account', public.ledger_program_account(p_currency, p_counter))))))[1];
END $$;

-- Let nothing come to or from a partner until the end of the transaction. The site may not write
-- the row, and so could not lock it by itself.
CREATE OR REPLACE FUNCTION public.partner_lock(p_partner bigint) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM public.members_partnerbalance b WHERE b.partner_id = p_partner FOR NO KEY UPDATE;
END $$;

CREATE OR REPLACE FUNCTION public.partner_funded() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE public.members_partnerbalance b SET funded = b.funded + NEW.points
    WHERE b.partner_id = NEW.partner_id AND b.is_prepaid;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a pack is of a prepaid partner'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_partnerfunding_prepaid';
  END IF;
  RETURN NULL;
END $$;

-- A partner has one balance from its beginning; it is counted from within triggers alone.
CREATE OR REPLACE FUNCTION public.partner_born() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF (NEW.id, NEW.program_id, NEW.currency_id, NEW.code, NEW.funding)
        IS DISTINCT FROM (OLD.id, OLD.program_id, OLD.currency_id, OLD.code, OLD.funding) THEN
      RAISE EXCEPTION 'a partner keeps its code, its currency and its funding'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'members_partner_kept';
    END IF;
  ELSE
    INSERT INTO public.members_partnerbalance (partner_id, is_prepaid, funded, given, taken)
      VALUES (NEW.id, NEW.funding = 'prepaid', 0, 0, 0);
  END IF;
  RETURN NULL;
END $$;

-- A statement is the sum of its month's movements; closed, it never changes.
CREATE OR REPLACE FUNCTION public.partner_statement_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  m record;
BEGIN
  IF TG_OP = 'UPDATE' AND (OLD.closed_at IS NOT NULL
      OR (NEW.id, NEW.partner_id, NEW.month) IS DISTINCT FROM (OLD.id, OLD.partner_id, OLD.month))
      THEN
    RAISE EXCEPTION 'a closed statement never changes'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_partnerstatement_closed';
  END IF;
  PERFORM FROM public.members_partnerbalance b WHERE b.partner_id = NEW.partner_id
    FOR NO KEY UPDATE;
  SELECT count(*) AS movements,
      coalesce(sum(points) FILTER (WHERE kind IN ('credit', 'exchange_in')), 0) AS given,
      coalesce(sum(CASE kind WHEN 'exchange_out' THEN points WHEN 'exchange_back' THEN -points END),
        0) AS taken,
      coalesce(sum(amount), 0) AS net
    INTO m FROM public.members_partnermovement
    WHERE partner_id = NEW.partner_id AND month = NEW.month;
  IF (NEW.movements, NEW.points_given, NEW.points_taken, NEW.net_amount)
      IS DISTINCT FROM (m.movements, m.given, m.taken, m.net)
      OR (NEW.closed_at IS NULL) <> (NEW.closed_by_id IS NULL)
      OR NEW.closed_at < (SELECT public.ledger_day_start(
        (NEW.month + interval '1 month')::date, g.timezone)
        FROM public.members_partner p JOIN public.members_program g ON g.id = p.program_id
        WHERE p.id = NEW.partner_id) THEN
    RAISE EXCEPTION 'a statement is the sum of the movements of its month, which is over'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_partnerstatement_adds_up';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER born AFTER INSERT OR UPDATE ON public.members_partner
  FOR EACH ROW EXECUTE FUNCTION public.partner_born();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_partner EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER funded AFTER INSERT ON public.members_partnerfunding
  FOR EACH ROW EXECUTE FUNCTION public.partner_funded();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_partnerfunding EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER counted BEFORE INSERT OR UPDATE ON public.members_partnerbalance
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_partnerbalance EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_partnermovement
  FOR EACH ROW EXECUTE FUNCTION public.partner_movement_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_partnermovement EXECUTE FUNCTION public.refuse_change();
CREATE CONSTRAINT TRIGGER posted AFTER INSERT OR UPDATE ON public.members_partnermovement
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.partner_movement_posted();
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_partnerstatement
  FOR EACH ROW EXECUTE FUNCTION public.partner_statement_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_partnerstatement EXECUTE FUNCTION public.refuse_change();
