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

-- What qualified a member since an instant: [[occurred_at, points], ...] in no order. Points
-- that a return took back count at the instant of their purchase.
CREATE OR REPLACE FUNCTION public.tiers_gains(p_member bigint, p_currency bigint, p_since timestamptz)
  RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
  -- What was gained by rows that went into this one counts for it.
  rows bigint[] := public.member_rows(p_member);
BEGIN
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_array(g.at, g.points)), '[]')
    FROM (
      SELECT coalesce(o.occurred_at, t.occurred_at) AS at, sum(e.points)::bigint AS points
      FROM public.members_ledgertransaction t
      JOIN public.members_ledgerentry e ON e.transaction_id = t.id
      JOIN public.members_ledgeraccount a ON a.id = e.account_id AND a.member_id = ANY (rows)
        AND a.currency_id = p_currency
      LEFT JOIN public.members_ledgertransaction o ON o.id = t.reverses_id
      WHERE t.member_id = ANY (rows) AND t.currency_id = p_currency AND t.occurred_at > p_since
        AND coalesce(o.occurred_at, t.occurred_at) > p_since
      GROUP BY 1 HAVING sum(e.points) <> 0) g);
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
