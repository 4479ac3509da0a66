-- Acts of staff upon points: who may move an approval, and that points are given by hand only
-- under one. The constraints of the table say what a row may be; this says how it may change.

-- What one person may do alone in one act and in a day. A currency without a policy has these.
CREATE OR REPLACE FUNCTION public.approval_limits(p_currency bigint, OUT points_alone bigint,
    OUT points_daily bigint)
  LANGUAGE plpgsql STABLE AS $$
BEGIN
  SELECT p.points_alone, p.points_daily INTO points_alone, points_daily
    FROM public.members_approvalpolicy p WHERE p.currency_id = p_currency;
  points_alone := coalesce(points_alone, 1000);
  points_daily := coalesce(points_daily, 10000);
END $$;

-- It begins as a request and goes on to approved, posted, reversed or to rejected; what was
-- asked for never changes, and words can only be emptied. Nobody takes part in an act upon an
-- account of their own. What is posted without a second person counts against the day of
-- whoever asked, in one row that waits for nobody else's acts.
CREATE OR REPLACE FUNCTION public.approval_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  limits record;
BEGIN
  SELECT * INTO limits FROM public.approval_limits(NEW.currency_id);
  IF TG_OP = 'INSERT' THEN
    NEW.limit_points := limits.points_alone;
    IF NEW.state <> 'requested' THEN
      RAISE EXCEPTION 'an act begins as a request'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'members_approval_course';
    END IF;
  ELSE
    IF (NEW.id, NEW.public_id, NEW.program_id, NEW.act, NEW.member_id, NEW.currency_id,
        NEW.points, NEW.is_credit, NEW.limit_points, NEW.requested_by_id, NEW.requested_at)
       IS DISTINCT FROM
       (OLD.id, OLD.public_id, OLD.program_id, OLD.act, OLD.member_id, OLD.currency_id,
        OLD.points, OLD.is_credit, OLD.limit_points, OLD.requested_by_id, OLD.requested_at)
       OR (OLD.decided_at IS NOT NULL AND (NEW.decided_by_id, NEW.decided_at)
           IS DISTINCT FROM (OLD.decided_by_id, OLD.decided_at))
       OR (OLD.posted_at IS NOT NULL AND NEW.posted_at IS DISTINCT FROM OLD.posted_at)
       OR (OLD.reversed_at IS NOT NULL AND (NEW.reversed_by_id, NEW.reversed_at)
           IS DISTINCT FROM (OLD.reversed_by_id, OLD.reversed_at))
       OR (NEW.why NOT IN (OLD.why, ''))
       OR (NEW.answer NOT IN (OLD.answer, '') AND OLD.state <> 'requested')
       OR (NEW.state <> OLD.state
           AND OLD.state || ' ' || NEW.state NOT IN ('requested approved', 'requested rejected',
             'requested posted', 'approved posted', 'posted reversed'))
       OR (NEW.decided_at IS DISTINCT FROM OLD.decided_at
           AND NEW.state NOT IN ('approved', 'rejected')) THEN
      RAISE EXCEPTION 'an approval keeps what was asked, and its course'
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'members_approval_course';
    END IF;
  END IF;
  IF NEW.member_id IS NOT NULL AND EXISTS (
      SELECT FROM public.members_member m
      WHERE m.id IN (NEW.member_id, (SELECT o.merged_into_id FROM public.members_member o
                                     WHERE o.id = NEW.member_id))
        AND m.user_id IN (NEW.requested_by_id, NEW.decided_by_id, NEW.reversed_by_id)
        AND (TG_OP = 'INSERT' OR NEW.state <> OLD.state)
        -- Whoever became this member after they asked may still take it back.
        AND NEW.state <> 'rejected') THEN
    RAISE EXCEPTION 'nobody moves points of an account of their own'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_approval_not_oneself';
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.state = 'posted' AND OLD.state = 'requested' THEN
    INSERT INTO public.members_staffday (user_id, currency_id, day, points, points_max)
      SELECT NEW.requested_by_id, NEW.currency_id,
        (NEW.posted_at AT TIME ZONE p.timezone)::date, NEW.points, limits.points_daily
      FROM public.members_program p WHERE p.id = NEW.program_id
      ON CONFLICT (user_id, currency_id, day) DO UPDATE
        SET points = members_staffday.points + excluded.points,
            points_max = excluded.points_max;
  END IF;
  RETURN NEW;
END $$;

-- What was asked for stays, and what became of it is written once.
CREATE OR REPLACE FUNCTION public.adjustment_kept() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (NEW.approval_id, NEW.reason_id, NEW.expires_at, NEW.is_within_balance)
     IS DISTINCT FROM (OLD.approval_id, OLD.reason_id, OLD.expires_at, OLD.is_within_balance)
     OR NEW.note NOT IN (OLD.note, '')
     OR (OLD.transaction_id IS NOT NULL AND (NEW.transaction_id, NEW.moved_points)
         IS DISTINCT FROM (OLD.transaction_id, OLD.moved_points))
     OR (OLD.reversal_id IS NOT NULL AND (NEW.reversal_id, NEW.kept_points)
         IS DISTINCT FROM (OLD.reversal_id, OLD.kept_points)) THEN
    RAISE EXCEPTION 'an adjustment keeps what was asked, and what was done'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

-- Points given by hand or back, and debts written off, need an approval that was posted: its act is
-- the source, its id the reference, its member, its currency and no more than its points. The other
-- direction of a reversed act has the source 'reversal'. Erasure takes points and debts away
-- from somebody who leaves, and asks nobody. Points that were paid for come from 'sold' alone, and
-- as their order says.
CREATE OR REPLACE FUNCTION public.ledger_judge_adjustments(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  reinstating bigint[];
BEGIN
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction h
      CROSS JOIN LATERAL (
        SELECT abs(sum(e.points)) AS points, bool_or(a.kind = 'sold') AS is_sold
        FROM public.members_ledgerentry e
        JOIN public.members_ledgeraccount a ON a.id = e.account_id AND NOT a.keeps_balance
        WHERE e.transaction_id = h.id) m
      LEFT JOIN public.members_approval p
        ON p.public_id = CASE
             WHEN h.external_ref ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(:|$)'
             THEN left(h.external_ref, 36)::uuid END
        AND p.program_id = h.program_id AND p.currency_id = h.currency_id
        AND m.points <= p.points AND m.is_sold = (p.act = 'points_order')
        AND CASE WHEN m.is_sold THEN public.points_order_moves(p.id, h.id, m.points::bigint)
            ELSE true END
        AND (h.type = 'reinstate') = (p.act = 'reinstatement' AND h.source = p.act)
        AND (p.act = h.source AND p.state = 'posted'
             OR h.source = 'reversal' AND p.state = 'reversed')
        AND CASE WHEN p.member_id IS NULL THEN length(h.external_ref) > 37
            -- What is undone is with the member's survivor, if they were merged meanwhile.
            ELSE (p.member_id = h.member_id OR h.source = 'reversal' AND EXISTS (
                SELECT FROM public.members_member o
                WHERE o.id = p.member_id AND o.merged_into_id = h.member_id))
              AND length(h.external_ref) = 36 END
        -- Of a batch: the row that the reference names, for its member and its points.
        AND NOT EXISTS (
          SELECT FROM public.members_pointbatch b
          WHERE b.approval_id = p.id AND NOT EXISTS (
            SELECT FROM public.members_pointbatchrow r
            WHERE r.batch_id = b.id AND r.member_id = h.member_id AND r.points >= m.points
              AND r.line = substr(h.external_ref, 38)::bigint))
        AND NOT EXISTS (
          SELECT FROM public.members_member o
          WHERE o.id = h.member_id AND h.source <> 'reversal'
            AND o.user_id IN (p.requested_by_id, p.decided_by_id))
      WHERE h.id = ANY (p_transactions)
        AND (h.type IN ('adjust_credit', 'import', 'reinstate') OR m.is_sold
             OR (h.type = 'write_off' AND h.source <> 'erasure'))
        AND p.id IS NULL) THEN
    RAISE EXCEPTION 'points are given by hand only under an approval that was posted'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_ledgertransaction_approved';
  END IF;
  SELECT array_agg(h.id) INTO reinstating FROM public.members_ledgertransaction h
    WHERE h.id = ANY (p_transactions) AND h.type = 'reinstate';
  IF reinstating IS NOT NULL THEN
    PERFORM public.ledger_judge_reinstatements(reinstating);
  END IF;
END $$;
