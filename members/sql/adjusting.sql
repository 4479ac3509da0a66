-- How adjustments are posted. As in posting.sql: the caller's rights, every schema named, and
-- the caller has locked the member and settled what is due.

-- Give points: debt first, the rest available, or pending until p_available_at. A currency that
-- lifts tiers has neither debt nor lots. Returns the transaction.
CREATE OR REPLACE FUNCTION public.ledger_adjust_credit(p_member bigint, p_currency bigint,
    p_points bigint, p_type text, p_counter text, p_source text, p_ref text, p_actor text,
    p_occurred_at timestamptz, p_recorded_at timestamptz, p_reason text,
    p_available_at timestamptz, p_expires_at timestamptz)
  RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  target record;
  debt record;
  at_ timestamptz := p_occurred_at;
  waits boolean := p_available_at > p_recorded_at;
  paid bigint := 0;
  lots jsonb := '[]';
  uses jsonb := '[]';
  entries jsonb;
BEGIN
  IF p_points <= 0 OR p_type NOT IN ('adjust_credit', 'import', 'exchange_in') THEN
    RAISE EXCEPTION 'a credit gives points above zero' USING ERRCODE = 'check_violation';
  END IF;
  SELECT id, program_id, keeps_lots INTO target FROM public.members_ledgeraccount
    WHERE member_id = p_member AND currency_id = p_currency
      AND kind = CASE WHEN waits THEN 'pending' ELSE 'available' END;
  SELECT id, -balance AS owed INTO debt FROM public.members_ledgeraccount
    WHERE member_id = p_member AND currency_id = p_currency AND kind = 'debt';
  IF debt.owed > 0 AND NOT waits THEN
    paid := least(p_points, debt.owed);
    at_ := greatest(at_, public.ledger_earliest_payment(debt.id));
  END IF;
  IF target.keeps_lots THEN
    lots := jsonb_build_array(jsonb_build_object('h', 0, 'account', target.id,
      'points', p_points, 'earned_at', at_,
      'available_at', greatest(p_available_at, at_), 'expires_at', p_expires_at));
  END IF;
  IF paid > 0 THEN
    uses := jsonb_build_array(jsonb_build_object('h', 0, 'new', 0, 'points', paid,
      'kind', 'debt'));
  END IF;
  entries := jsonb_build_array(jsonb_build_object('h', 0, 'points', -p_points,
    'account', public.ledger_program_account(p_currency, p_counter)));
  IF p_points > paid THEN
    entries := entries || jsonb_build_object('h', 0, 'account', target.id,
      'points', p_points - paid);
  END IF;
  IF paid > 0 THEN
    entries := entries || jsonb_build_object('h', 0, 'account', debt.id, 'points', paid);
  END IF;
  RETURN (public.ledger_post(target.program_id, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', p_member, 'currency', p_currency,
      'type', p_type, 'source', p_source, 'ref', p_ref, 'actor', p_actor, 'occurred_at', at_,
      'reason', p_reason)),
    'lots', lots, 'uses', uses, 'entries', entries)))[1];
END $$;

-- The lots of a member that still hold points of a transaction, through whatever moved them.
CREATE OR REPLACE FUNCTION public.ledger_lots_of(p_transaction bigint, p_member bigint)
  RETURNS TABLE (lot_id bigint, account_id bigint, kind text, remaining bigint)
  LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN QUERY
    WITH RECURSIVE moved AS (
      SELECT l.id, l.account_id, l.remaining FROM public.members_pointlot l
        WHERE l.transaction_id = p_transaction
      UNION
      SELECT l.id, l.account_id, l.remaining FROM moved m
        JOIN public.members_pointlot l ON l.moved_from_id = m.id)
    SELECT m.id, a.id, a.kind::text, m.remaining FROM moved m
      JOIN public.members_ledgeraccount a ON a.id = m.account_id AND a.member_id = p_member
      WHERE m.remaining > 0 ORDER BY m.id;
END $$;

-- Take points: those of the transaction p_of first, pending ones too, then, unless p_only_of,
-- whatever is available, soonest expiry first. What is missing: 'refuse' (23514), 'leave' it, or
-- 'debt' as far as the limit goes. Returns the transaction, null where nothing was taken, and
-- how many points it took in all and of them as debt.
CREATE OR REPLACE FUNCTION public.ledger_adjust_debit(p_member bigint, p_currency bigint,
    p_points bigint, p_type text, p_counter text, p_source text, p_ref text, p_actor text,
    p_occurred_at timestamptz, p_recorded_at timestamptz, p_reason text, p_of bigint,
    p_only_of boolean, p_missing text, OUT transaction_id bigint, OUT taken bigint,
    OUT to_debt bigint)
  LANGUAGE plpgsql AS $$
DECLARE
  a record;
  debt bigint;
  room bigint;
  l record;
  part bigint;
  lots bigint[] := '{}';
  uses jsonb := '[]';
  from_pending bigint := 0;
  from_available bigint := 0;
  entries jsonb := '[]';
BEGIN
  IF p_points <= 0 OR p_type NOT IN ('adjust_debit', 'import') THEN
    RAISE EXCEPTION 'a debit takes points above zero' USING ERRCODE = 'check_violation';
  END IF;
  taken := 0;
  to_debt := 0;
  SELECT id, program_id, keeps_lots, balance INTO a FROM public.members_ledgeraccount
    WHERE member_id = p_member AND currency_id = p_currency AND kind = 'available';
  IF NOT a.keeps_lots THEN
    from_available := least(p_points, a.balance);
    taken := from_available;
  ELSE
    FOR l IN SELECT o.lot_id, o.remaining, o.kind FROM public.ledger_lots_of(p_of, p_member) o
             WHERE o.kind IN ('available', 'pending') LOOP
      part := least(l.remaining, p_points - taken);
      EXIT WHEN part = 0;
      lots := lots || l.lot_id;
      uses := uses || jsonb_build_object('h', 0, 'lot', l.lot_id, 'points', part,
        'kind', 'adjust');
      taken := taken + part;
      IF l.kind = 'pending' THEN
        from_pending := from_pending + part;
      ELSE
        from_available := from_available + part;
      END IF;
    END LOOP;
    IF taken < p_points AND NOT p_only_of THEN
      -- As many again as were taken of it, since these lots come here once more.
      FOR l IN SELECT t.lot_id, o.remaining
               FROM public.ledger_take(a.id, p_points + taken) t
               JOIN public.members_pointlot o ON o.id = t.lot_id
               WHERE t.lot_id <> ALL (lots) LOOP
        part := least(l.remaining, p_points - taken);
        EXIT WHEN part = 0;
        lots := lots || l.lot_id;
        uses := uses || jsonb_build_object('h', 0, 'lot', l.lot_id, 'points', part,
          'kind', 'adjust');
        taken := taken + part;
        from_available := from_available + part;
      END LOOP;
    END IF;
  END IF;
  IF taken < p_points AND p_missing = 'debt' THEN
    SELECT id, balance - floor INTO debt, room FROM public.members_ledgeraccount
      WHERE member_id = p_member AND currency_id = p_currency AND kind = 'debt';
    to_debt := least(p_points - taken, coalesce(room, 0));
    taken := taken + to_debt;
  END IF;
  IF taken < p_points AND p_missing = 'refuse' THEN
    RAISE EXCEPTION 'not enough points' USING ERRCODE = 'check_violation',
      CONSTRAINT = 'members_adjustment_within_balance';
  END IF;
  IF taken = 0 THEN
    RETURN;
  END IF;
  SELECT jsonb_agg(jsonb_build_object('h', 0, 'account', v.account, 'points', v.points))
    INTO entries
    FROM (VALUES
      (a.id, -from_available),
      ((SELECT id FROM public.members_ledgeraccount WHERE member_id = p_member
          AND currency_id = p_currency AND kind = 'pending'), -from_pending),
      (debt, -to_debt),
      (public.ledger_program_account(p_currency, p_counter), taken)) v(account, points)
    WHERE v.points <> 0;
  transaction_id := (public.ledger_post(a.program_id, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', p_member, 'currency', p_currency,
      'type', p_type, 'source', p_source, 'ref', p_ref, 'actor', p_actor,
      'occurred_at', greatest(p_occurred_at, public.ledger_earliest_debit(lots)),
      'reason', p_reason)),
    'lots', '[]'::jsonb, 'uses', uses, 'entries', entries)))[1];
END $$;

-- Forgive debt. Returns the transaction. Refused when more is forgiven than is owed.
CREATE OR REPLACE FUNCTION public.ledger_write_off(p_member bigint, p_currency bigint,
    p_points bigint, p_source text, p_ref text, p_actor text, p_occurred_at timestamptz,
    p_recorded_at timestamptz, p_reason text)
  RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  debt record;
BEGIN
  SELECT id, program_id INTO debt FROM public.members_ledgeraccount
    WHERE member_id = p_member AND currency_id = p_currency AND kind = 'debt';
  RETURN (public.ledger_post(debt.program_id, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', p_member, 'currency', p_currency,
      'type', 'write_off', 'source', p_source, 'ref', p_ref, 'actor', p_actor,
      'occurred_at', greatest(p_occurred_at, public.ledger_earliest_payment(debt.id)),
      'reason', p_reason)),
    'lots', '[]'::jsonb, 'uses', '[]'::jsonb,
    'entries', jsonb_build_array(
      jsonb_build_object('h', 0, 'account', debt.id, 'points', p_points),
      jsonb_build_object('h', 0, 'points', -p_points,
        'account', public.ledger_program_account(p_currency, 'adjusted'))))))[1];
END $$;
