-- Points that last as long as their member is active. A lot is never edited: it keeps the end that
-- it was earned with and the months by which an act renews it, and the account keeps the day of
-- the latest act. What has no such lots has no such day, and pays nothing for any of this.

-- The end of a lot as it is now: no sooner than its months after the latest act.
CREATE OR REPLACE FUNCTION public.ledger_renewed_end(p_program bigint, p_day date, p_months int)
  RETURNS timestamptz LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT public.ledger_day_start((p_day + make_interval(months => p_months))::date + 1,
      p.timezone) FROM public.members_program p WHERE p.id = p_program);
END $$;

CREATE OR REPLACE FUNCTION public.ledger_lot_end(p_expires_at timestamptz, p_months int,
    p_active_on date, p_program bigint)
  RETURNS timestamptz LANGUAGE sql STABLE
  RETURN CASE WHEN p_expires_at IS NULL OR p_months IS NULL OR p_active_on IS NULL
    THEN p_expires_at
    ELSE greatest(p_expires_at, public.ledger_renewed_end(p_program, p_active_on, p_months)) END;

-- Note acts that renew points: [{"account": available, "act", "at"}]. The first act of a day is
-- kept; a repeat changes nothing. The members are locked, and what is due for them is posted.
CREATE OR REPLACE FUNCTION public.ledger_renew(p jsonb, p_recorded_at timestamptz)
  RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.members_ledgeractivity (account_id, day, act, occurred_at, recorded_at)
    SELECT DISTINCT ON (x.account, d.day) x.account, d.day, x.act, d.at, p_recorded_at
    FROM jsonb_to_recordset(p) x(account bigint, act text, at timestamptz)
    JOIN public.members_ledgeraccount a ON a.id = x.account
    JOIN public.members_program g ON g.id = a.program_id
    -- A till whose clock is ahead must not renew what ends before its purchase.
    CROSS JOIN LATERAL (SELECT least(x.at, p_recorded_at) AS at,
      (least(x.at, p_recorded_at) AT TIME ZONE g.timezone)::date AS day) d
    ORDER BY 1, 2, d.at
    ON CONFLICT (account_id, day) DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION public.ledger_activity_noted() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM newrows n
      LEFT JOIN public.members_ledgeraccount a ON a.id = n.account_id AND a.keeps_lots
        AND a.kind = 'available'
      LEFT JOIN public.members_program g ON g.id = a.program_id
      WHERE a.id IS NULL OR n.day <> (n.occurred_at AT TIME ZONE g.timezone)::date
        -- What has ended is expired before anything renews the rest.
        OR EXISTS (
          SELECT FROM (
            SELECT DISTINCT l.renew_months AS months FROM public.members_pointlot l
            WHERE l.account_id = n.account_id AND l.remaining > 0
              AND l.expires_at <= n.recorded_at AND l.renew_months IS NOT NULL) m
          WHERE a.active_on IS NULL OR public.ledger_renewed_end(a.program_id, a.active_on,
            m.months) <= n.recorded_at)) THEN
    RAISE EXCEPTION 'an act renews points of its own day, once what is due is posted'
      USING ERRCODE = 'check_violation';
  END IF;
  UPDATE public.members_ledgeraccount a SET active_on = greatest(a.active_on, d.day)
    FROM (SELECT account_id, max(day) AS day FROM newrows GROUP BY 1) d
    WHERE a.id = d.account_id AND (a.active_on IS NULL OR a.active_on < d.day);
  RETURN NULL;
END $$;
CREATE TRIGGER noted AFTER INSERT ON public.members_ledgeractivity
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.ledger_activity_noted();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_ledgeractivity EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER moved_by_activity BEFORE UPDATE OF active_on ON public.members_ledgeraccount
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();

-- As ledger_take, for an account with renewed lots: they are in no index by their end.
CREATE OR REPLACE FUNCTION public.ledger_take_renewed(p_account bigint, p_points bigint)
  RETURNS TABLE (lot_id bigint, points bigint, earned_at timestamptz, expires_at timestamptz)
  LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT o.id, least(o.remaining, p_points - o.before), o.earned_at, o.ends_at
    FROM (
      SELECT l.id, l.remaining, l.earned_at, l.ends_at, coalesce(sum(l.remaining) OVER (
          ORDER BY l.ends_at, l.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
          0)::bigint AS before
      FROM (
        SELECT o.id, o.remaining, o.earned_at, public.ledger_lot_end(o.expires_at,
            o.renew_months, a.active_on, a.program_id) AS ends_at
        FROM public.members_ledgeraccount a
        JOIN public.members_pointlot o ON o.account_id = a.id AND o.remaining > 0
        WHERE a.id = p_account) l) o
    WHERE o.before < p_points
    ORDER BY o.ends_at, o.id;
END $$;

-- As ledger_expire, for accounts with renewed lots.
CREATE OR REPLACE FUNCTION public.ledger_expire_renewed(p_accounts bigint[],
    p_moment timestamptz, p_recorded_at timestamptz, p_actor text)
  RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  d record;
  posted int := 0;
BEGIN
  FOR d IN
    SELECT a.id AS account, a.program_id, a.currency_id, a.member_id, c.code, l.ends_at,
      e.id AS expired, sum(l.remaining)::bigint AS points,
      -- Points that paid a later debt may have been born after their end.
      greatest(l.ends_at, max(l.earned_at)) AS at,
      jsonb_agg(jsonb_build_object('h', 0, 'lot', l.id, 'points', l.remaining,
        'kind', 'expire') ORDER BY l.id) AS uses
    FROM public.members_ledgeraccount a
    JOIN public.members_pointcurrency c ON c.id = a.currency_id
    JOIN public.members_ledgeraccount e ON e.member_id IS NULL
      AND e.currency_id = a.currency_id AND e.kind = 'expired'
    CROSS JOIN LATERAL (
      SELECT o.id, o.remaining, o.earned_at, public.ledger_lot_end(o.expires_at,
          o.renew_months, a.active_on, a.program_id) AS ends_at
      FROM public.members_pointlot o
      WHERE o.account_id = a.id AND o.remaining > 0 AND o.expires_at <= p_moment) l
    WHERE a.id = ANY (p_accounts) AND l.ends_at <= p_moment
    GROUP BY a.id, c.code, l.ends_at, e.id ORDER BY a.id, l.ends_at
  LOOP
    PERFORM public.ledger_post(d.program_id, p_recorded_at, jsonb_build_object(
      'headers', jsonb_build_array(jsonb_build_object('member', d.member_id,
        'currency', d.currency_id, 'type', 'expire', 'source', 'lot', 'actor', p_actor,
        'ref', 'expiry-' || gen_random_uuid(), 'occurred_at', d.at)),
      'lots', '[]'::jsonb, 'uses', d.uses,
      'entries', jsonb_build_array(
        jsonb_build_object('h', 0, 'account', d.account, 'points', -d.points),
        jsonb_build_object('h', 0, 'account', d.expired, 'points', d.points))));
    INSERT INTO public.members_outboxevent (public_id, program_id, kind, member_id, payload,
        created_at, attempts, failure)
      VALUES (gen_random_uuid(), d.program_id, 'points_expired', d.member_id,
        jsonb_build_object('points', d.points, 'currency', d.code, 'expired_at', d.ends_at),
        p_recorded_at, 0, '');
    posted := posted + 1;
  END LOOP;
  RETURN posted;
END $$;
