-- Points that had expired and are given back by the hand of staff. Each of their lots is continued
-- by a new one with an end of its own; together no lot ever gets back more than expired of it.

-- What expired of a member's points, lot by lot, latest expiry first: of one expiry, or of so many.
-- left_points can still be given back. What a return counted as expired already belongs to goods
-- that came back, and cannot. Who was erased, or is merged into somebody else, has nothing left here.
CREATE OR REPLACE FUNCTION public.ledger_expired_lots(p_member bigint, p_expiry bigint, p_limit int)
  RETURNS TABLE (expiry_id bigint, currency_id bigint, expired_at timestamptz, lot_id bigint,
    earned_at timestamptz, expired bigint, given_back bigint, left_points bigint)
  LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    WITH expiries AS MATERIALIZED (
      SELECT t.id, t.program_id, t.currency_id, t.occurred_at, t.recorded_at
      FROM public.members_ledgertransaction t
      JOIN public.members_member m ON m.id = t.member_id
        AND m.status NOT IN ('erased', 'merged')
      WHERE t.member_id = p_member AND t.type = 'expire'
        AND (p_expiry IS NULL OR t.id = p_expiry)
      ORDER BY t.recorded_at DESC, t.id DESC LIMIT p_limit),
    found AS (
      SELECT e.id, e.currency_id, e.occurred_at, e.recorded_at, u.lot_id, l.earned_at, u.points,
        b.points AS given_back, greatest(u.points - b.points, 0) AS rest, o.origin,
        coalesce(c.points, 0) AS counted
      FROM expiries e
      JOIN public.members_lotuse u ON u.transaction_id = e.id AND u.kind = 'expire'
      JOIN public.members_pointlot l ON l.id = u.lot_id
      CROSS JOIN LATERAL (
        SELECT coalesce(sum(n.points), 0)::bigint AS points FROM public.members_pointlot n
        JOIN public.members_ledgertransaction h ON h.id = n.transaction_id AND h.type = 'reinstate'
        WHERE n.moved_from_id = u.lot_id) b
      -- The transaction that the points were earned by, through whatever moved them.
      CROSS JOIN LATERAL (
        WITH RECURSIVE way AS (
          SELECT l.transaction_id, l.moved_from_id
          UNION ALL
          SELECT f.transaction_id, f.moved_from_id FROM way w
            JOIN public.members_pointlot f ON f.id = w.moved_from_id)
        SELECT w.transaction_id AS origin FROM way w WHERE w.moved_from_id IS NULL) o
      LEFT JOIN LATERAL (
        SELECT sum((r.points -> 'by_currency' -> k.code ->> 'already_expired')::bigint) AS points
        FROM public.members_ledgertransaction t
        JOIN public.members_pointcurrency k ON k.id = t.currency_id
        JOIN public.members_purchase p ON p.public_id = CASE
          WHEN t.external_ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
          THEN t.external_ref::uuid END
        JOIN public.members_return r ON r.purchase_id = p.id AND r.state = 'applied'
        WHERE t.id = o.origin AND t.source = 'purchase') c ON true)
    SELECT f.id, f.currency_id, f.occurred_at, f.lot_id, f.earned_at, f.points, f.given_back,
      -- The lots of one purchase lose what its returns counted, the older first.
      greatest(f.rest - greatest(f.counted - coalesce(sum(f.rest) OVER (
        PARTITION BY f.id, f.origin ORDER BY f.lot_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0), 0), 0)::bigint
    FROM found f ORDER BY f.recorded_at DESC, f.id DESC, f.lot_id;
END $$;

-- Give points of an expiry back, the older lots first, debt first; without an end they last for the
-- currency's days of grace. Returns the transaction. Refused with 23514 when fewer are left. The
-- caller has locked the member and settled what is due.
CREATE OR REPLACE FUNCTION public.ledger_reinstate(p_expiry bigint, p_points bigint, p_source text,
    p_ref text, p_actor text, p_moment timestamptz, p_reason text, p_expires_at timestamptz)
  RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  e record;
  available bigint;
  debt record;
  at_ timestamptz;
  l record;
  part bigint;
  pays bigint;
  given bigint := 0;
  paid bigint := 0;
  lots jsonb := '[]';
  uses jsonb := '[]';
  entries jsonb;
BEGIN
  SELECT id, program_id, member_id, currency_id, occurred_at INTO e
    FROM public.members_ledgertransaction WHERE id = p_expiry AND type = 'expire';
  SELECT id INTO available FROM public.members_ledgeraccount
    WHERE member_id = e.member_id AND currency_id = e.currency_id AND kind = 'available';
  SELECT id, -balance AS owed INTO debt FROM public.members_ledgeraccount
    WHERE member_id = e.member_id AND currency_id = e.currency_id AND kind = 'debt';
  at_ := greatest(p_moment, e.occurred_at);
  IF debt.owed > 0 THEN
    at_ := greatest(at_, public.ledger_earliest_payment(debt.id));
  END IF;
  FOR l IN SELECT x.lot_id, x.left_points
           FROM public.ledger_expired_lots(e.member_id, p_expiry, 1) x
           WHERE x.left_points > 0 ORDER BY x.lot_id LOOP
    part := least(l.left_points, p_points - given);
    EXIT WHEN part <= 0;
    pays := least(part, greatest(debt.owed - paid, 0));
    lots := lots || jsonb_build_object('h', 0, 'account', available, 'points', part,
      'earned_at', at_, 'available_at', at_, 'moved_from', l.lot_id,
      'expires_at', coalesce(p_expires_at, public.ledger_grace_end(e.currency_id, at_)));
    IF pays > 0 THEN
      uses := uses || jsonb_build_object('h', 0, 'new', jsonb_array_length(lots) - 1,
        'points', pays, 'kind', 'debt');
    END IF;
    given := given + part;
    paid := paid + pays;
  END LOOP;
  IF given = 0 OR given < p_points THEN
    RAISE EXCEPTION 'not so many points are left of the expiry' USING ERRCODE = 'check_violation',
      CONSTRAINT = 'members_reinstatement_within';
  END IF;
  entries := jsonb_build_array(jsonb_build_object('h', 0, 'points', -given,
    'account', public.ledger_program_account(e.currency_id, 'expired')));
  IF given > paid THEN
    entries := entries
      || jsonb_build_object('h', 0, 'account', available, 'points', given - paid);
  END IF;
  IF paid > 0 THEN
    entries := entries || jsonb_build_object('h', 0, 'account', debt.id, 'points', paid);
  END IF;
  RETURN (public.ledger_post(e.program_id, p_moment, jsonb_build_object(
    'headers', jsonb_build_array(jsonb_build_object('member', e.member_id,
      'currency', e.currency_id, 'type', 'reinstate', 'source', p_source, 'ref', p_ref,
      'actor', p_actor, 'occurred_at', at_, 'reason', p_reason)),
    'lots', lots, 'uses', uses, 'entries', entries)))[1];
END $$;

-- What is given back came from lots of the member that expired before, of the expiry that was
-- approved; every new lot has an end, and all that continue a lot are no more than expired of it.
CREATE OR REPLACE FUNCTION public.ledger_judge_reinstatements(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  sources bigint[];
BEGIN
  -- An older snapshot would miss what others gave back of the same lot.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'reinstatements need READ COMMITTED' USING ERRCODE = 'restrict_violation';
  END IF;
  SELECT array_agg(DISTINCT l.moved_from_id) INTO sources FROM public.members_pointlot l
    WHERE l.transaction_id = ANY (p_transactions);
  PERFORM FROM public.members_pointlot WHERE id = ANY (sources) ORDER BY id FOR NO KEY UPDATE;
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction h
      LEFT JOIN public.members_approval p ON p.public_id = h.external_ref::uuid
      LEFT JOIN public.members_reinstatement r ON r.approval_id = p.id
      WHERE h.id = ANY (p_transactions)
        AND ((SELECT sum(l.points) FROM public.members_pointlot l WHERE l.transaction_id = h.id)
             IS DISTINCT FROM (
               SELECT -sum(e.points) FROM public.members_ledgerentry e
               JOIN public.members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'expired'
               WHERE e.transaction_id = h.id)
          OR EXISTS (
            SELECT FROM public.members_pointlot l
            LEFT JOIN public.members_lotuse u ON u.lot_id = l.moved_from_id AND u.kind = 'expire'
              AND u.transaction_id = r.expiry_id
            LEFT JOIN public.members_ledgertransaction t ON t.id = u.transaction_id
              AND t.member_id = h.member_id AND t.currency_id = h.currency_id
              AND t.occurred_at <= h.occurred_at
            WHERE l.transaction_id = h.id AND (t.id IS NULL OR l.expires_at IS NULL))))
    OR EXISTS (
      SELECT FROM unnest(sources) s(lot_id)
      WHERE (SELECT sum(l.points) FROM public.members_pointlot l
             JOIN public.members_ledgertransaction t ON t.id = l.transaction_id
               AND t.type = 'reinstate'
             WHERE l.moved_from_id = s.lot_id)
        > (SELECT coalesce(sum(u.points), 0) FROM public.members_lotuse u
           WHERE u.lot_id = s.lot_id AND u.kind = 'expire')) THEN
    RAISE EXCEPTION 'points are given back to lots that they expired from, once'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_reinstatement_within';
  END IF;
END $$;

-- What was asked for is an expiry of the approval's member and currency, and stays.
CREATE OR REPLACE FUNCTION public.reinstatement_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (
        SELECT FROM public.members_approval p
        JOIN public.members_ledgertransaction e ON e.id = NEW.expiry_id AND e.type = 'expire'
          AND e.member_id = p.member_id AND e.currency_id = p.currency_id
        WHERE p.id = NEW.approval_id AND p.act = 'reinstatement' AND p.is_credit) THEN
      RAISE EXCEPTION 'a reinstatement is of an expiry of the member'
        USING ERRCODE = 'check_violation';
    END IF;
  ELSIF (NEW.approval_id, NEW.expiry_id, NEW.reason_id, NEW.expires_at)
     IS DISTINCT FROM (OLD.approval_id, OLD.expiry_id, OLD.reason_id, OLD.expires_at)
     OR NEW.note NOT IN (OLD.note, '')
     OR (OLD.transaction_id IS NOT NULL AND NEW.transaction_id IS DISTINCT FROM OLD.transaction_id)
  THEN
    RAISE EXCEPTION 'a reinstatement keeps what was asked, and what was done'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
