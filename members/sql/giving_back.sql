-- Giving points back to the lots that they were taken from: whole or in parts, when a redemption is
-- cancelled, a hold ends, or goods come back that points had paid for. Judged by the same files as
-- everything else; the functions run with the caller's rights and are trusted with nothing.

-- What was given back of a hold or a redemption, by the lot that it was taken from. The origin is
-- the transaction that used the lots: a captured hold's own.
CREATE OR REPLACE FUNCTION public.ledger_given_back(p_origin bigint)
  RETURNS TABLE (lot_id bigint, points bigint)
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
    WITH givers AS MATERIALIZED (
      SELECT r.id FROM public.members_ledgertransaction r
        WHERE r.resolves_id = p_origin OR r.reverses_id = p_origin
      UNION
      SELECT r.id FROM public.members_ledgertransaction c
        JOIN public.members_ledgertransaction r ON r.reverses_id = c.id
        WHERE c.resolves_id = p_origin)
    SELECT g.lot_id, sum(g.points)::bigint
    FROM (
      SELECT u.lot_id, -u.points AS points FROM public.members_lotuse u
        WHERE u.transaction_id IN (SELECT id FROM givers) AND u.kind = 'give_back'
      UNION ALL
      SELECT l.moved_from_id, l.points FROM public.members_pointlot l
        WHERE l.transaction_id IN (SELECT id FROM givers)) g
    GROUP BY g.lot_id;
END $$;

-- No lot gets more back than the hold or the redemption took from it, in however many parts. A lot
-- that has ended is continued by a new one, which counts as given back to it.
CREATE OR REPLACE FUNCTION public.ledger_judge_give_backs(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM (
        SELECT DISTINCT coalesce(o.resolves_id, o.id, h.resolves_id) AS origin
        FROM public.members_ledgertransaction h
        LEFT JOIN public.members_ledgertransaction o ON o.id = h.reverses_id
        WHERE h.id = ANY (p_transactions)
          AND h.type IN ('release', 'redeem', 'redemption_reversal')) t
      CROSS JOIN LATERAL public.ledger_given_back(t.origin) g
      WHERE g.points > coalesce((
        SELECT sum(u.points) FROM public.members_lotuse u
        WHERE u.transaction_id = t.origin AND u.lot_id = g.lot_id
          AND u.kind IN ('hold', 'redeem')), 0)) THEN
    RAISE EXCEPTION 'a lot gets back what was taken from it, at most'
      USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction h
      JOIN public.members_pointlot l ON l.transaction_id = h.id
      LEFT JOIN public.members_pointlot s ON s.id = l.moved_from_id
      LEFT JOIN public.members_ledgeraccount a ON a.id = s.account_id
      WHERE h.id = ANY (p_transactions)
        AND h.type IN ('release', 'redeem', 'redemption_reversal')
        AND (public.ledger_lot_end(s.expires_at, s.renew_months, a.active_on, a.program_id)
             <= h.occurred_at) IS NOT TRUE) THEN
    RAISE EXCEPTION 'only a lot that has ended is given back as a new one'
      USING ERRCODE = 'check_violation';
  END IF;
END $$;

-- How points of a hold or a redemption go back to the lots that they came from: the lots to open,
-- the uses, and what of them pays debt. Points that end last go back first, as if fewer had been
-- taken. A lot that ended meanwhile gets a new one with the currency's days of grace. The origin
-- is the transaction that used the lots. Refused with 23514 when fewer points are left of it.
CREATE OR REPLACE FUNCTION public.ledger_giving_back(p_origin bigint, p_points bigint,
    p_available bigint, p_currency bigint, p_owed bigint, p_at timestamptz,
    OUT lots jsonb, OUT uses jsonb, OUT paid bigint)
  LANGUAGE plpgsql AS $$
DECLARE
  u record;
  part bigint;
  given bigint := 0;
BEGIN
  lots := '[]';
  uses := '[]';
  paid := 0;
  FOR u IN
    SELECT x.id, x.expires_at, least(x.points, p_points - x.later)::bigint AS points
    FROM (
      SELECT l.id, e.expires_at, w.points - coalesce(g.points, 0) AS points,
        coalesce(sum(w.points - coalesce(g.points, 0)) OVER (
          ORDER BY e.expires_at DESC, l.id DESC
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS later
      FROM (SELECT m.lot_id, sum(m.points) AS points FROM public.members_lotuse m
            WHERE m.transaction_id = p_origin AND m.kind IN ('hold', 'redeem') GROUP BY 1) w
      JOIN public.members_pointlot l ON l.id = w.lot_id
      JOIN public.members_ledgeraccount a ON a.id = l.account_id
      CROSS JOIN LATERAL (SELECT public.ledger_lot_end(l.expires_at, l.renew_months,
        a.active_on, a.program_id) AS expires_at) e
      LEFT JOIN public.ledger_given_back(p_origin) g ON g.lot_id = w.lot_id) x
    WHERE least(x.points, p_points - x.later) > 0
    ORDER BY x.expires_at, x.id
  LOOP
    part := least(u.points, greatest(p_owed - paid, 0));
    IF u.expires_at <= p_at THEN
      lots := lots || jsonb_build_object('h', 0, 'account', p_available, 'points', u.points,
        'earned_at', p_at, 'available_at', p_at, 'moved_from', u.id,
        'expires_at', public.ledger_grace_end(p_currency, p_at));
      IF part > 0 THEN
        uses := uses || jsonb_build_object('h', 0, 'new', jsonb_array_length(lots) - 1,
          'points', part, 'kind', 'debt');
      END IF;
    ELSE
      uses := uses || jsonb_build_object('h', 0, 'lot', u.id, 'points', -u.points,
        'kind', 'give_back');
      IF part > 0 THEN
        uses := uses || jsonb_build_object('h', 0, 'lot', u.id, 'points', part,
          'kind', 'debt');
      END IF;
    END IF;
    paid := paid + part;
    given := given + u.points;
  END LOOP;
  IF given <> p_points THEN
    RAISE EXCEPTION 'not so many points are left to give back' USING ERRCODE = 'check_violation';
  END IF;
END $$;

-- How many points of a hold or a redemption have not been given back. The original is the hold,
-- or the transaction that redeemed.
CREATE OR REPLACE FUNCTION public.ledger_left_of(p_original bigint) RETURNS bigint
  LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT coalesce((SELECT sum(u.points) FROM public.members_lotuse u
        WHERE u.transaction_id = o.origin AND u.kind IN ('hold', 'redeem')), 0)
      - coalesce((SELECT sum(g.points) FROM public.ledger_given_back(o.origin) g), 0)
    FROM (SELECT coalesce(t.resolves_id, t.id) AS origin
          FROM public.members_ledgertransaction t WHERE t.id = p_original) o);
END $$;

-- Turn a hold into a redemption, of all its points or of fewer: the rest goes back in the same
-- transaction, and settles debt first. Returns the redeeming transaction.
CREATE OR REPLACE FUNCTION public.ledger_capture(p_hold bigint, p_actor text,
    p_occurred_at timestamptz, p_recorded_at timestamptz, p_points bigint DEFAULT NULL)
  RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  o record;
  available bigint;
  debt record;
  at_ timestamptz;
  rest bigint;
  back record;
  lots jsonb := '[]';
  uses jsonb := '[]';
  entries jsonb;
BEGIN
  SELECT t.id, t.program_id, t.member_id, t.currency_id, t.source, t.external_ref, t.occurred_at,
      h.account_id, h.points
    INTO o FROM public.members_ledgerhold h
    JOIN public.members_ledgertransaction t ON t.id = h.transaction_id
    WHERE h.transaction_id = p_hold;
  rest := o.points - coalesce(p_points, o.points);
  IF rest < 0 OR p_points <= 0 THEN
    RAISE EXCEPTION 'a capture pays points of its hold' USING ERRCODE = 'check_violation';
  END IF;
  at_ := greatest(p_occurred_at, o.occurred_at);
  entries := jsonb_build_array(
    jsonb_build_object('h', 0, 'account', o.account_id, 'points', -o.points),
    jsonb_build_object('h', 0, 'points', o.points - rest,
      'account', public.ledger_program_account(o.currency_id, 'redeemed')));
  IF rest > 0 THEN
    SELECT id INTO available FROM public.members_ledgeraccount
      WHERE member_id = o.member_id AND currency_id = o.currency_id AND kind = 'available'
      FOR NO KEY UPDATE;
    SELECT id, -balance AS owed INTO debt FROM public.members_ledgeraccount
      WHERE member_id = o.member_id AND currency_id = o.currency_id AND kind = 'debt';
    IF debt.owed > 0 THEN
      at_ := greatest(at_, public.ledger_earliest_payment(debt.id));
    END IF;
    SELECT * INTO back FROM public.ledger_giving_back(o.id, rest, available, o.currency_id,
      coalesce(debt.owed, 0), at_);
    lots := back.lots;
    uses := back.uses;
    IF rest > back.paid THEN
      entries := entries
        || jsonb_build_object('h', 0, 'account', available, 'points', rest - back.paid);
    END IF;
    IF back.paid > 0 THEN
      entries := entries || jsonb_build_object('h', 0, 'account', debt.id, 'points', back.paid);
    END IF;
  END IF;
  RETURN (public.ledger_post(o.program_id, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', o.member_id,
      'currency', o.currency_id, 'type', 'redeem', 'source', o.source, 'ref', o.external_ref,
      'actor', p_actor, 'occurred_at', at_, 'resolves', o.id)),
    'lots', lots, 'uses', uses, 'entries', entries)))[1];
END $$;

-- Give points of a hold ('release') or of a redemption ('redemption_reversal') back to the lots
-- that they came from: all that are left, or so many of a redemption's. What comes back settles
-- debt first. Returns the new transaction.
CREATE OR REPLACE FUNCTION public.ledger_give_back(p_original bigint, p_source text, p_ref text,
    p_actor text, p_occurred_at timestamptz, p_recorded_at timestamptz, p_reason text,
    p_points bigint DEFAULT NULL)
  RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  o record;
  released boolean;
  at_ timestamptz;
  available bigint;
  debt record;
  source_account bigint;
  total bigint;
  back record;
  entries jsonb;
BEGIN
  SELECT * INTO o FROM public.members_ledgertransaction WHERE id = p_original;
  released := o.type = 'hold';
  at_ := greatest(p_occurred_at, o.occurred_at);
  SELECT id INTO available FROM public.members_ledgeraccount
    WHERE member_id = o.member_id AND currency_id = o.currency_id AND kind = 'available'
    FOR NO KEY UPDATE;
  SELECT id, -balance AS owed INTO debt FROM public.members_ledgeraccount
    WHERE member_id = o.member_id AND currency_id = o.currency_id AND kind = 'debt';
  IF debt.owed > 0 THEN
    at_ := greatest(at_, public.ledger_earliest_payment(debt.id));
  END IF;
  total := coalesce(p_points, public.ledger_left_of(p_original));
  IF total <= 0 THEN
    RAISE EXCEPTION 'nothing is left to give back' USING ERRCODE = 'check_violation';
  END IF;
  IF released THEN
    SELECT account_id INTO source_account FROM public.members_ledgerhold
      WHERE transaction_id = o.id;
  ELSE
    -- Where its points went: redeemed, or donated.
    SELECT e.account_id INTO source_account FROM public.members_ledgerentry e
      JOIN public.members_ledgeraccount a ON a.id = e.account_id AND NOT a.keeps_balance
      WHERE e.transaction_id = o.id;
  END IF;
  SELECT * INTO back FROM public.ledger_giving_back(coalesce(o.resolves_id, o.id), total,
    available, o.currency_id, coalesce(debt.owed, 0), at_);
  entries := jsonb_build_array(
    jsonb_build_object('h', 0, 'account', source_account, 'points', -total));
  IF total > back.paid THEN
    entries := entries
      || jsonb_build_object('h', 0, 'account', available, 'points', total - back.paid);
  END IF;
  IF back.paid > 0 THEN
    entries := entries || jsonb_build_object('h', 0, 'account', debt.id, 'points', back.paid);
  END IF;
  RETURN (public.ledger_post(o.program_id, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', o.member_id,
      'currency', o.currency_id, 'source', p_source, 'ref', p_ref, 'actor', p_actor,
      'type', CASE WHEN released THEN 'release' ELSE 'redemption_reversal' END,
      'occurred_at', at_, 'reason', p_reason,
      'resolves', CASE WHEN released THEN o.id END,
      'reverses', CASE WHEN NOT released THEN o.id END)),
    'lots', back.lots, 'uses', back.uses, 'entries', entries)))[1];
END $$;
