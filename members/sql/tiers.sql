-- Standings are superseded or closed, never edited: {"supersede": [ids], "close": [{"id",
-- "ends_at"}], "insert": [{"member", "tier", "starts_at", "ends_at", "valid_until",
-- "evidence"}]}. The member must be locked.
CREATE OR REPLACE FUNCTION public.tiers_write(p jsonb, p_recorded_at timestamptz) RETURNS void
  LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.members_tiermembership SET superseded_at = p_recorded_at
    WHERE id IN (SELECT value::bigint FROM jsonb_array_elements_text(p -> 'supersede'));
  UPDATE public.members_tiermembership m SET ends_at = c.ends_at
    FROM jsonb_to_recordset(p -> 'close') c(id bigint, ends_at timestamptz)
    WHERE m.id = c.id;
  INSERT INTO public.members_tiermembership (member_id, tier_id, starts_at, ends_at,
      valid_until, evidence, recorded_at)
    SELECT i.member, i.tier, i.starts_at, i.ends_at, i.valid_until, i.evidence, p_recorded_at
    FROM jsonb_to_recordset(p -> 'insert') i(member bigint, tier bigint,
      starts_at timestamptz, ends_at timestamptz, valid_until timestamptz, evidence jsonb);
END $$;

CREATE OR REPLACE FUNCTION public.tiers_changed() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (NEW.member_id, NEW.tier_id, NEW.starts_at, NEW.evidence, NEW.recorded_at)
       IS DISTINCT FROM (OLD.member_id, OLD.tier_id, OLD.starts_at, OLD.evidence, OLD.recorded_at)
     OR NEW.valid_until IS DISTINCT FROM OLD.valid_until
     OR OLD.superseded_at IS NOT NULL
     OR (OLD.ends_at IS NOT NULL AND NEW.ends_at IS DISTINCT FROM OLD.ends_at) THEN
    RAISE EXCEPTION 'a standing is closed or superseded once, never edited'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER never_edited BEFORE UPDATE ON public.members_tiermembership
  FOR EACH ROW EXECUTE FUNCTION public.tiers_changed();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_tiermembership EXECUTE FUNCTION public.refuse_change();

-- What qualified since an instant, by instant: of the rows of a member, those that went into theirs
-- included. Points that a return took back count at the instant of their purchase. A table
-- function that the server merges into the statement around it: for a chunk of members the
-- look-ups are prepared once. Entries lie together in the account's index and headers in the
-- member's; they are put together by hashes, since looking up the one for each of the other costs
-- more.
CREATE OR REPLACE FUNCTION public.tiers_gained(p_rows bigint[], p_currency bigint,
    p_since timestamptz)
  RETURNS TABLE (at timestamptz, points bigint) LANGUAGE sql STABLE AS $$
  WITH moved AS MATERIALIZED (
    SELECT e.transaction_id, sum(e.points) AS points
    FROM public.members_ledgeraccount a
    JOIN public.members_ledgerentry e ON e.account_id = a.id
    WHERE a.member_id = ANY (p_rows) AND a.currency_id = p_currency
    GROUP BY e.transaction_id
  ), headers AS MATERIALIZED (
    SELECT t.id, t.occurred_at, t.reverses_id
    FROM public.members_ledgertransaction t
    WHERE t.member_id = ANY (p_rows) AND t.currency_id = p_currency AND t.occurred_at > p_since
  )
  SELECT coalesce(o.occurred_at, h.occurred_at), sum(m.points)::bigint
    FROM headers h
    JOIN moved m ON m.transaction_id = h.id
    LEFT JOIN public.members_ledgertransaction o ON o.id = h.reverses_id
    WHERE coalesce(o.occurred_at, h.occurred_at) > p_since
    GROUP BY 1 HAVING sum(m.points) <> 0
$$;

-- What qualified a member since an instant: [[occurred_at, points], ...] in no order.
CREATE OR REPLACE FUNCTION public.tiers_gains(p_member bigint, p_currency bigint, p_since timestamptz)
  RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_array(g.at, g.points)), '[]')
    FROM public.tiers_gained(public.member_rows(p_member), p_currency, p_since) g);
END $$;

-- A member's standings that count, oldest first.
CREATE OR REPLACE FUNCTION public.tiers_standings(p_member bigint)
  RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'tier', m.tier_id,
        'starts_at', m.starts_at, 'ends_at', m.ends_at, 'valid_until', m.valid_until,
        'evidence', m.evidence) ORDER BY m.starts_at, m.id), '[]')
    FROM public.members_tiermembership m
    WHERE m.member_id = p_member AND m.superseded_at IS NULL);
END $$;
