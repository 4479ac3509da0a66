-- What is due comes first: lapsed holds, activations and expiries are posted before anything
-- else moves a member's points, dated at the instant at which they were due. The jobs call the
-- same function; they only keep the books tidy.

-- Whether anything is due for any of the members. Costs three look-ups in partial indexes.
CREATE OR REPLACE FUNCTION public.ledger_is_due(p_members bigint[], p_moment timestamptz)
  RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT EXISTS (
      SELECT FROM public.members_ledgeraccount a
      WHERE a.member_id = ANY (p_members) AND (
        (a.kind = 'held' AND a.balance > 0 AND EXISTS (
          SELECT FROM public.members_ledgerhold h
          WHERE h.account_id = a.id AND h.is_open AND h.expires_at <= p_moment))
        OR (a.keeps_lots AND a.balance > 0 AND EXISTS (
          SELECT FROM public.members_pointlot l
          WHERE l.account_id = a.id AND l.remaining > 0
            AND CASE WHEN a.kind = 'pending' THEN l.available_at <= p_moment
              ELSE l.expires_at <= p_moment AND (l.renew_months IS NULL
                OR public.ledger_lot_end(l.expires_at, l.renew_months, a.active_on,
                     a.program_id) <= p_moment) END)))));
END $$;

-- Move the pending lots of one account that became available at one instant; or those named,
-- which waited for something that came at that instant. Had they ended while they waited, they
-- get the currency's days of grace.
CREATE OR REPLACE FUNCTION public.ledger_activate(p_account bigint, p_at timestamptz,
    p_recorded_at timestamptz, p_actor text, p_lots bigint[] DEFAULT NULL)
  RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  a record;
  available bigint;
  debt record;
  at_ timestamptz := p_at;
  available_at_ timestamptz := p_at;
  l record;
  total bigint := 0;
  paid bigint := 0;
  part bigint;
  n int := 0;
  first_lot bigint;
  lots jsonb := '[]';
  uses jsonb := '[]';
  entries jsonb;
BEGIN
  SELECT id, program_id, currency_id, member_id INTO a
    FROM public.members_ledgeraccount WHERE id = p_account;
  SELECT id INTO available FROM public.members_ledgeraccount
    WHERE member_id = a.member_id AND currency_id = a.currency_id AND kind = 'available';
  SELECT id, -balance AS owed INTO debt FROM public.members_ledgeraccount
    WHERE member_id = a.member_id AND currency_id = a.currency_id AND kind = 'debt';
  IF p_lots IS NOT NULL THEN
    -- What waits for something that came first has no points before they are earned.
    SELECT greatest(p_at, max(earned_at)) INTO available_at_
      FROM public.members_pointlot WHERE id = ANY (p_lots);
    at_ := available_at_;
  END IF;
  -- Points that were recorded after the debt was made, and were due before it, pay it then.
  IF debt.owed > 0 THEN
    at_ := greatest(at_, public.ledger_earliest_payment(debt.id));
  END IF;
  FOR l IN SELECT id, remaining, CASE WHEN p_lots IS NOT NULL AND expires_at <= p_recorded_at
             THEN public.ledger_grace_end(a.currency_id, p_recorded_at)
             ELSE expires_at END AS expires_at
           FROM public.members_pointlot
           WHERE account_id = p_account AND remaining > 0
             AND CASE WHEN p_lots IS NULL THEN available_at = p_at ELSE id = ANY (p_lots) END
           ORDER BY 3, id LOOP
    part := least(l.remaining, greatest(debt.owed - paid, 0));
    lots := lots || jsonb_build_object('h', 0, 'account', available, 'points', l.remaining,
      'earned_at', at_, 'available_at', available_at_, 'expires_at', l.expires_at,
      'moved_from', l.id);
    uses := uses || jsonb_build_object('h', 0, 'lot', l.id, 'points', l.remaining,
      'kind', 'activate');
    IF part > 0 THEN
      uses := uses || jsonb_build_object('h', 0, 'new', n, 'points', part, 'kind', 'debt');
    END IF;
    first_lot := coalesce(first_lot, l.id);
    total := total + l.remaining;
    paid := paid + part;
    n := n + 1;
  END LOOP;
  entries := jsonb_build_array(
    jsonb_build_object('h', 0, 'account', p_account, 'points', -total));
  IF total > paid THEN
    entries := entries
      || jsonb_build_object('h', 0, 'account', available, 'points', total - paid);
  END IF;
  IF paid > 0 THEN
    entries := entries || jsonb_build_object('h', 0, 'account', debt.id, 'points', paid);
  END IF;
  PERFORM public.ledger_post(a.program_id, p_recorded_at, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', a.member_id,
      'currency', a.currency_id, 'type', 'activate', 'source', 'lot',
      'ref', 'lot-' || first_lot, 'actor', p_actor, 'occurred_at', at_)),
    'lots', lots, 'uses', uses, 'entries', entries));
END $$;

-- Expire what is due on accounts, set-based: one transaction per account and instant. What has
-- been expired has nothing remaining, so that a repeat finds nothing.
CREATE OR REPLACE FUNCTION public.ledger_expire(p_accounts bigint[], p_moment timestamptz,
    p_recorded_at timestamptz, p_actor text)
  RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  ids bigint[];
  accounts bigint[];
  instants timestamptz[];
  points bigint[];
  dates timestamptz[];
BEGIN
  SELECT array_agg(nextval('public.members_ledgertransaction_id_seq') ORDER BY d.account_id, d.expires_at),
      array_agg(d.account_id ORDER BY d.account_id, d.expires_at),
      array_agg(d.expires_at ORDER BY d.account_id, d.expires_at),
      array_agg(d.points ORDER BY d.account_id, d.expires_at),
      -- Points that paid a later debt may have been born after their end.
      array_agg(greatest(d.expires_at, d.earned_at) ORDER BY d.account_id, d.expires_at)
    INTO ids, accounts, instants, points, dates
    FROM (SELECT l.account_id, l.expires_at, sum(l.remaining)::bigint AS points,
            max(l.earned_at) AS earned_at
          FROM public.members_pointlot l
          WHERE l.account_id = ANY (p_accounts) AND l.remaining > 0
            AND l.expires_at <= p_moment
          GROUP BY 1, 2) d;
  IF ids IS NULL THEN
    RETURN 0;
  END IF;
  INSERT INTO public.members_ledgertransaction (id, public_id, program_id, currency_id,
      member_id, type, source, external_ref, actor, occurred_at, recorded_at, reason_code)
    SELECT d.id, gen_random_uuid(), a.program_id, a.currency_id, a.member_id, 'expire', 'lot',
      'expiry-' || d.id, p_actor, d.occurred_at, p_recorded_at, ''
    FROM unnest(ids, accounts, dates) d(id, account_id, occurred_at)
    JOIN public.members_ledgeraccount a ON a.id = d.account_id;
  INSERT INTO public.members_lotuse (transaction_id, lot_id, kind, points)
    SELECT d.id, l.id, 'expire', l.remaining
    FROM unnest(ids, accounts, instants) d(id, account_id, expires_at)
    JOIN public.members_pointlot l ON l.account_id = d.account_id
      AND l.expires_at = d.expires_at AND l.remaining > 0;
  INSERT INTO public.members_ledgerentry (transaction_id, line, account_id, program_id,
      currency_id, points)
    SELECT d.id, v.line, v.account_id, a.program_id, a.currency_id, v.points
    FROM unnest(ids, accounts, points) d(id, account_id, points)
    JOIN public.members_ledgeraccount a ON a.id = d.account_id
    JOIN public.members_ledgeraccount e ON e.member_id IS NULL
      AND e.currency_id = a.currency_id AND e.kind = 'expired'
    CROSS JOIN LATERAL (VALUES (1::smallint, d.account_id, -d.points),
                               (2::smallint, e.id, d.points)) v(line, account_id, points);
  INSERT INTO public.members_outboxevent (public_id, program_id, kind, member_id, payload,
      created_at, attempts, failure)
    SELECT gen_random_uuid(), a.program_id, 'points_expired', a.member_id,
      jsonb_build_object('points', d.points, 'currency', c.code, 'expired_at', d.expires_at),
      p_recorded_at, 0, ''
    FROM unnest(accounts, instants, points) d(account_id, expires_at, points)
    JOIN public.members_ledgeraccount a ON a.id = d.account_id
    JOIN public.members_pointcurrency c ON c.id = a.currency_id;
  RETURN cardinality(ids);
END $$;

-- Post everything that is due for the members at the moment. Locks the members first; returns
-- how many transactions it posted. A repeat finds nothing due and posts nothing.
CREATE OR REPLACE FUNCTION public.ledger_settle_due(p_members bigint[], p_moment timestamptz,
    p_recorded_at timestamptz, p_actor text)
  RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  r record;
  posted int := 0;
  accounts bigint[];
  renewed bigint[];
BEGIN
  PERFORM public.ledger_lock(p_members);
  IF NOT public.ledger_is_due(p_members, p_moment) THEN
    RETURN 0;
  END IF;
  -- Releases and activations in the order of their instants: both may settle debt.
  FOR r IN
    SELECT h.expires_at AS due_at, h.transaction_id AS hold, NULL::bigint AS account
      FROM public.members_ledgerhold h
      JOIN public.members_ledgeraccount a ON a.id = h.account_id
      WHERE a.member_id = ANY (p_members) AND h.is_open AND h.expires_at <= p_moment
    UNION ALL
    SELECT DISTINCT l.available_at, NULL::bigint, l.account_id
      FROM public.members_pointlot l
      JOIN public.members_ledgeraccount a ON a.id = l.account_id AND a.kind = 'pending'
      WHERE a.member_id = ANY (p_members) AND l.remaining > 0 AND l.available_at <= p_moment
    ORDER BY 1, 2, 3
  LOOP
    IF r.hold IS NOT NULL THEN
      PERFORM public.ledger_give_back(r.hold, 'hold', 'hold-' || r.hold, p_actor, r.due_at,
        p_recorded_at, 'lapsed');
    ELSE
      PERFORM public.ledger_activate(r.account, r.due_at, p_recorded_at, p_actor);
    END IF;
    posted := posted + 1;
  END LOOP;
  SELECT array_agg(a.id ORDER BY a.id) FILTER (WHERE a.active_on IS NULL),
      array_agg(a.id ORDER BY a.id) FILTER (WHERE a.active_on IS NOT NULL)
    INTO accounts, renewed FROM public.members_ledgeraccount a
    WHERE a.member_id = ANY (p_members) AND a.keeps_lots AND a.kind = 'available';
  IF renewed IS NOT NULL THEN
    posted := posted + public.ledger_expire_renewed(renewed, p_moment, p_recorded_at, p_actor);
  END IF;
  RETURN posted + public.ledger_expire(accounts, p_moment, p_recorded_at, p_actor);
END $$;
