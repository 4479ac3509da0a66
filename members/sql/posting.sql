-- How points are posted. These functions run with the caller's rights and are trusted with
-- nothing: whatever they write is judged by ledger.sql. They name every schema and pin no
-- search_path, which would cost more than most of their statements; the triggers, which run with
-- the owner's rights, pin it.

-- The headers, lots, uses and entries of any number of transactions in one call:
-- {"headers": [{"member", "currency", "type", "source", "ref", "actor", "occurred_at",
--               "reverses"?, "resolves"?, "hold_expires_at"?, "reason"?, "id"?,
--               "counterpart"?: index of the header that the points come from}],
--  "lots":    [{"h", "account", "points", "earned_at", "available_at", "expires_at"?,
--               "renew_months"?, "waits_for"?, "moved_from"?}],
--  "uses":    [{"h", "points", "kind", "lot" | "new": index into lots}],
--  "entries": [{"h", "account", "points"}]}
-- "h" is the index of the header, from 0; "id" its public id. Returns the headers' ids in
-- order. The accounts' rows must be locked by the caller before it decides what to post.
CREATE OR REPLACE FUNCTION public.ledger_post(p_program bigint, p_recorded_at timestamptz, p jsonb)
  RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  ids bigint[];
  -- By header: to look into the document again for each entry would copy it as often.
  currencies bigint[];
  lots bigint[];
BEGIN
  SELECT array_agg(nextval('public.members_ledgertransaction_id_seq') ORDER BY h.n),
      array_agg(h.currency ORDER BY h.n) INTO ids, currencies
    FROM ROWS FROM (jsonb_to_recordset(p -> 'headers') AS (currency bigint))
      WITH ORDINALITY h(currency, n);
  IF ids IS NULL THEN
    RETURN '{}';
  END IF;
  INSERT INTO public.members_ledgertransaction (id, public_id, program_id, currency_id,
      member_id, type, source, external_ref, actor, occurred_at, recorded_at, reverses_id,
      resolves_id, hold_expires_at, reason_code, counterpart_id)
    SELECT ids[h.n], coalesce(h.id, gen_random_uuid()), p_program, h.currency, h.member,
      h.type, h.source, h.ref, h.actor, h.occurred_at, p_recorded_at, h.reverses, h.resolves,
      h.hold_expires_at, coalesce(h.reason, ''), ids[h.counterpart + 1]
    FROM ROWS FROM (jsonb_to_recordset(p -> 'headers') AS (id uuid, currency bigint,
        member bigint, type text, source text, ref text, actor text, occurred_at timestamptz,
        reverses bigint, resolves bigint, hold_expires_at timestamptz, reason text,
        counterpart int)) WITH ORDINALITY
      h(id, currency, member, type, source, ref, actor, occurred_at, reverses, resolves,
        hold_expires_at, reason, counterpart, n)
    ORDER BY h.ref, h.currency;
  IF jsonb_array_length(p -> 'lots') > 0 THEN
    SELECT array_agg(nextval('public.members_pointlot_id_seq') ORDER BY g) INTO lots
      FROM generate_series(1, jsonb_array_length(p -> 'lots')) g;
    INSERT INTO public.members_pointlot (id, transaction_id, account_id, points, remaining,
        earned_at, available_at, expires_at, renew_months, waits_for, moved_from_id)
      SELECT lots[l.n], ids[l.h + 1], l.account, l.points, l.points, l.earned_at,
        l.available_at, l.expires_at,
        -- Points that move on are renewed as they were where they come from.
        CASE WHEN l.moved_from IS NULL THEN l.renew_months ELSE (
          SELECT m.renew_months FROM public.members_pointlot m
          WHERE m.id = l.moved_from AND l.expires_at IS NOT NULL) END,
        CASE WHEN l.moved_from IS NULL THEN coalesce(l.waits_for, '') ELSE (
          SELECT CASE WHEN a.kind = 'pending' THEN m.waits_for ELSE '' END
          FROM public.members_pointlot m, public.members_ledgeraccount a
          WHERE m.id = l.moved_from AND a.id = l.account) END,
        l.moved_from
      FROM ROWS FROM (jsonb_to_recordset(p -> 'lots') AS (h int, account bigint, points bigint,
          earned_at timestamptz, available_at timestamptz, expires_at timestamptz,
          renew_months smallint, waits_for text, moved_from bigint)) WITH ORDINALITY
        l(h, account, points, earned_at, available_at, expires_at, renew_months, waits_for,
          moved_from, n);
  END IF;
  IF jsonb_array_length(p -> 'uses') > 0 THEN
    INSERT INTO public.members_lotuse (transaction_id, lot_id, kind, points)
      SELECT ids[u.h + 1], coalesce(u.lot, lots[u.new + 1]), u.kind, u.points
      FROM jsonb_to_recordset(p -> 'uses') u(h int, lot bigint, new int, kind text, points bigint);
  END IF;
  INSERT INTO public.members_ledgerentry (transaction_id, line, account_id, program_id,
      currency_id, points)
    SELECT ids[e.h + 1], row_number() OVER (PARTITION BY e.h ORDER BY e.n), e.account,
      p_program, currencies[e.h + 1], e.points
    FROM ROWS FROM (jsonb_to_recordset(p -> 'entries') AS (h int, account bigint, points bigint))
      WITH ORDINALITY e(h, account, points, n);
  RETURN ids;
END $$;

-- Lock the accounts of members in the one order that everybody uses. The row of any currency's
-- available points stands for the member: whoever moves a member's points takes it first.
CREATE OR REPLACE FUNCTION public.ledger_lock(p_members bigint[])
  RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM id FROM public.members_ledgeraccount
    WHERE member_id = ANY (p_members) AND kind = 'available'
    ORDER BY id FOR NO KEY UPDATE;
END $$;

-- The counter-account of the program.
CREATE OR REPLACE FUNCTION public.ledger_program_account(p_currency bigint, p_kind text)
  RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT id FROM public.members_ledgeraccount
      WHERE member_id IS NULL AND currency_id = p_currency AND kind = p_kind);
END $$;

-- The first instant of a day. A midnight that the clock shows twice is read as the later one;
-- the day starts with the earlier.
CREATE OR REPLACE FUNCTION public.ledger_day_start(p_day date, p_timezone text)
  RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN (d.starts_at - interval '1 hour') AT TIME ZONE p_timezone >= p_day::timestamp
      THEN d.starts_at - interval '1 hour' ELSE d.starts_at END
    FROM (SELECT p_day::timestamp AT TIME ZONE p_timezone AS starts_at) d
$$;

-- First instant at which points given back at an instant, after they had expired, are of no use:
-- the start of the program-local day after the currency's days of grace.
CREATE OR REPLACE FUNCTION public.ledger_grace_end(p_currency bigint, p_instant timestamptz)
  RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT public.ledger_day_start(
      (p_instant AT TIME ZONE p.timezone)::date + c.grace_days + 1, p.timezone)
    FROM public.members_pointcurrency c
    JOIN public.members_program p ON p.id = c.program_id
    WHERE c.id = p_currency
$$;

-- The earliest instant at which a debit of lots can be dated: when the last of them was earned
-- or given back. Dated before, it would make a balance of the past negative.
CREATE OR REPLACE FUNCTION public.ledger_earliest_debit(p_lots bigint[]) RETURNS timestamptz
  LANGUAGE sql STABLE AS $$
  SELECT greatest(
    (SELECT max(earned_at) FROM public.members_pointlot WHERE id = ANY (p_lots)),
    (SELECT max(t.occurred_at) FROM public.members_lotuse u
     JOIN public.members_ledgertransaction t ON t.id = u.transaction_id
     WHERE u.lot_id = ANY (p_lots) AND u.points < 0))
$$;

-- The earliest instant at which a debt can be paid: when the last of it was made.
CREATE OR REPLACE FUNCTION public.ledger_earliest_payment(p_debt bigint) RETURNS timestamptz
  LANGUAGE sql STABLE AS $$
  SELECT max(t.occurred_at) FROM public.members_ledgerentry e
    JOIN public.members_ledgertransaction t ON t.id = e.transaction_id
    WHERE e.account_id = p_debt AND e.points < 0
$$;

-- The lots that a debit of an account takes: soonest expiry first, never last, then id; stops
-- at the lot that fills it. Fewer points than asked come back when there are not enough.
CREATE OR REPLACE FUNCTION public.ledger_take(p_account bigint, p_points bigint)
  RETURNS TABLE (lot_id bigint, points bigint, earned_at timestamptz, expires_at timestamptz)
  LANGUAGE plpgsql AS $$
DECLARE
  l record;
  missing bigint := p_points;
BEGIN
  IF (SELECT a.active_on IS NOT NULL FROM public.members_ledgeraccount a
      WHERE a.id = p_account) THEN
    RETURN QUERY SELECT * FROM public.ledger_take_renewed(p_account, p_points);
    RETURN;
  END IF;
  FOR l IN SELECT o.id, o.remaining, o.earned_at, o.expires_at
           FROM public.members_pointlot o
           WHERE o.account_id = p_account AND o.remaining > 0
           ORDER BY o.expires_at, o.id LOOP
    EXIT WHEN missing <= 0;
    lot_id := l.id;
    points := least(l.remaining, missing);
    earned_at := l.earned_at;
    expires_at := l.expires_at;
    missing := missing - points;
    RETURN NEXT;
  END LOOP;
END $$;

-- Debit available points for a reward: 'redeem' at once, 'donate' for a cause, 'hold' until captured
-- or released.
-- Returns the transaction. The caller has locked the member and settled what is due.
-- Refused with 23514 when the points are not there or the member is in debt.
CREATE OR REPLACE FUNCTION public.ledger_debit(p_member bigint, p_currency bigint, p_points bigint,
    p_type text, p_source text, p_ref text, p_actor text, p_occurred_at timestamptz,
    p_recorded_at timestamptz, p_hold_expires_at timestamptz DEFAULT NULL)
  RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  a record;
  target bigint;
  program bigint;
  taken record;
  debt bigint;
BEGIN
  IF p_points <= 0 OR p_type NOT IN ('redeem', 'donate', 'hold') THEN
    RAISE EXCEPTION 'a debit takes points above zero' USING ERRCODE = 'check_violation';
  END IF;
  SELECT id, program_id INTO a FROM public.members_ledgeraccount
    WHERE member_id = p_member AND currency_id = p_currency AND kind = 'available'
    FOR NO KEY UPDATE;
  program := a.program_id;
  SELECT balance INTO debt FROM public.members_ledgeraccount
    WHERE member_id = p_member AND currency_id = p_currency AND kind = 'debt';
  IF debt < 0 THEN
    RAISE EXCEPTION 'in debt' USING ERRCODE = 'check_violation';
  END IF;
  IF p_type = 'hold' THEN
    SELECT id INTO target FROM public.members_ledgeraccount
      WHERE member_id = p_member AND currency_id = p_currency AND kind = 'held';
  ELSE
    target := public.ledger_program_account(p_currency,
      CASE p_type WHEN 'donate' THEN 'donated' ELSE 'redeemed' END);
  END IF;
  SELECT array_agg(t.lot_id) AS lots, array_agg(t.points) AS points,
      coalesce(sum(t.points), 0) AS total
    INTO taken FROM public.ledger_take(a.id, p_points) t;
  IF taken.total < p_points THEN
    RAISE EXCEPTION 'not enough points' USING ERRCODE = 'check_violation';
  END IF;
  RETURN (public.ledger_post(program, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', p_member,
      'currency', p_currency, 'type', p_type, 'source', p_source, 'ref', p_ref,
      'actor', p_actor, 'occurred_at', greatest(p_occurred_at, public.ledger_earliest_debit(taken.lots)),
      'hold_expires_at', p_hold_expires_at)),
    'lots', '[]'::jsonb,
    'uses', (SELECT jsonb_agg(jsonb_build_object('h', 0, 'lot', u.lot, 'points', u.points,
               'kind', CASE p_type WHEN 'hold' THEN 'hold' ELSE 'redeem' END))
             FROM unnest(taken.lots, taken.points) u(lot, points)),
    'entries', jsonb_build_array(
      jsonb_build_object('h', 0, 'account', a.id, 'points', -p_points),
      jsonb_build_object('h', 0, 'account', target, 'points', p_points)))))[1];
END $$;
