-- Regrading in sets: whoever's tier is due, a chunk of members at a time. The rules are those of
-- members/grading.py, which stays the reference: a property test holds the two together. Only what
-- is plain is decided here, one comparison at the end of a tier that nothing since would change;
-- every other member is handed back to it.

-- The instant with the same wall time in the zone, later or earlier by a span of months or days.
-- A wall time that the clock skips is read with the offset before the change, one that it shows
-- twice is the earlier: as loyalty_site/lib/calendars.py has it.
CREATE OR REPLACE FUNCTION public.calendar_shift(p_instant timestamptz, p_span interval, p_zone text)
  RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  wall timestamp := (p_instant AT TIME ZONE p_zone) + p_span;
  later timestamptz := wall AT TIME ZONE p_zone;
  day_before timestamptz := later - interval '24 hours';
  earlier timestamptz;
BEGIN
  -- With the offset of the day before, a time that is shown twice is read as the first of both.
  earlier := (wall - ((day_before AT TIME ZONE p_zone) - (day_before AT TIME ZONE 'UTC')))
    AT TIME ZONE 'UTC';
  IF earlier < later AND earlier AT TIME ZONE p_zone = wall THEN
    RETURN earlier;
  END IF;
  RETURN later;
END $$;

-- An instant as evidence writes it.
CREATE OR REPLACE FUNCTION public.tiers_iso(p_instant timestamptz) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    to_char(p_instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
    || CASE WHEN date_trunc('second', p_instant AT TIME ZONE 'UTC') = p_instant AT TIME ZONE 'UTC'
         THEN '' ELSE to_char(p_instant AT TIME ZONE 'UTC', '.US') END || '+00:00';

-- Grade at most p_limit members whose tier is due by the moment, and lock them. Who misses the
-- threshold is put off to the end of the grace, so that nobody is looked at twice without need.
-- p: {"currency": qualifying, "months", "grace_days", "downgrade", "zone", "except": [members]}
-- A chunk is few of many, so it is looked up by index also while statistics say that tables are
-- empty. Returns how many were due, how many changed, and the members that the caller has to grade.
CREATE OR REPLACE FUNCTION public.tiers_regrade(p_program bigint, p jsonb, p_moment timestamptz,
    p_recorded_at timestamptz, p_limit int, OUT due int, OUT changed int, OUT others bigint[])
  LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  zone text := p ->> 'zone';
  window_ interval := make_interval(months => (p ->> 'months')::int);
  grace interval := make_interval(days => (p ->> 'grace_days')::int);
  members bigint[];
  -- Whose gains are those of several rows.
  absorbing bigint[] := ARRAY(SELECT b.id FROM public.members_member b WHERE b.absorbed <> '{}');
  outcomes record;
BEGIN
  SELECT array_agg(d.member_id ORDER BY d.member_id) INTO members FROM (
    SELECT m.member_id FROM public.members_tiermembership m
    WHERE m.superseded_at IS NULL AND m.ends_at IS NULL
      AND coalesce(m.grace_ends_at, m.valid_until) <= p_moment
      AND NOT m.member_id = ANY (ARRAY(SELECT jsonb_array_elements_text(p -> 'except')::bigint))
    ORDER BY coalesce(m.grace_ends_at, m.valid_until), m.id LIMIT p_limit) d;
  due := coalesce(cardinality(members), 0);
  changed := 0;
  others := '{}';
  IF due = 0 THEN
    RETURN;
  END IF;
  PERFORM public.ledger_lock(members);

  WITH ladder AS (
    SELECT t.id, t.code, t.threshold, row_number() OVER (ORDER BY t.threshold) - 1 AS place,
      lead(t.threshold) OVER (ORDER BY t.threshold) AS above
    FROM public.members_tier t WHERE t.program_id = p_program AND NOT t.is_retired
  ), held AS MATERIALIZED (
    SELECT m.id, m.member_id, m.starts_at, m.valid_until, l.place, l.code, l.threshold, l.above,
      l.id AS tier_id, f.fall_at, public.calendar_shift(m.valid_until, -window_, zone) AS since,
      public.calendar_shift(f.fall_at, -window_, zone) AS fall_since
    FROM public.members_tiermembership m
    LEFT JOIN ladder l ON l.id = m.tier_id
    CROSS JOIN LATERAL (
      SELECT public.calendar_shift(m.valid_until, grace, zone) AS fall_at) f
    WHERE m.member_id = ANY (members) AND m.superseded_at IS NULL AND m.ends_at IS NULL
      AND coalesce(m.grace_ends_at, m.valid_until) <= p_moment
  ), moved AS MATERIALIZED (
    -- By one look into an index for each member, and headers by another: put together by hashes,
    -- since looking up the one for each of the other costs twice as much.
    SELECT h.id, e.transaction_id, sum(e.points) AS points
    FROM held h
    JOIN public.members_ledgeraccount a ON a.member_id = h.member_id
      AND a.currency_id = (p ->> 'currency')::bigint
    JOIN public.members_ledgerentry e ON e.account_id = a.id
    GROUP BY h.id, e.transaction_id
  ), headers AS MATERIALIZED (
    SELECT h.id, t.id AS transaction_id, t.occurred_at, t.reverses_id,
      h.valid_until - 2 * window_ - interval '1 month' AS after
    FROM held h
    JOIN public.members_ledgertransaction t ON t.member_id = h.member_id
      AND t.currency_id = (p ->> 'currency')::bigint
      AND t.occurred_at > h.valid_until - 2 * window_ - interval '1 month'
  ), gains AS (
    -- As tiers_gains has them: what a return took back counts at the instant of its purchase.
    SELECT t.id, coalesce(o.occurred_at, t.occurred_at) AS at, sum(m.points) AS points
    FROM headers t
    JOIN moved m ON m.id = t.id AND m.transaction_id = t.transaction_id
    LEFT JOIN public.members_ledgertransaction o ON o.id = t.reverses_id
    WHERE coalesce(o.occurred_at, t.occurred_at) > t.after
    GROUP BY t.id, 2 HAVING sum(m.points) <> 0
  ), rising AS (
    -- What a window may have held at most: two days more than the months of any calendar.
    SELECT g.id, g.at, g.points, sum(greatest(g.points, 0)) OVER (PARTITION BY g.id ORDER BY g.at
        RANGE BETWEEN window_ + interval '2 days' PRECEDING AND CURRENT ROW) AS peak
    FROM gains g
  ), judged AS (
    SELECT h.*,
      coalesce(sum(r.points) FILTER (WHERE r.at > h.since AND r.at <= h.valid_until), 0)::bigint
        AS value,
      coalesce(sum(r.points) FILTER (WHERE r.at > h.fall_since AND r.at <= h.fall_at), 0)::bigint
        AS fall_value,
      -- Something that may lift the member, or renew the tier within its grace.
      coalesce(bool_or(r.points > 0 AND r.at <= p_moment AND (r.at > h.valid_until
        OR (r.at >= h.starts_at AND r.peak >= h.above))), false) AS moves
    FROM held h LEFT JOIN rising r ON r.id = h.id
    GROUP BY h.id, h.member_id, h.starts_at, h.valid_until, h.place, h.code, h.threshold, h.above,
      h.tier_id, h.fall_at, h.since, h.fall_since
  ), decided AS (
    SELECT j.*, CASE WHEN j.moves OR j.place IS NULL OR j.place = 0
          OR j.member_id = ANY (absorbing) THEN 'other'
        WHEN j.value >= j.threshold THEN 'renewed'
        WHEN j.fall_at > p_moment THEN 'grace' ELSE 'fallen' END AS outcome
    FROM judged j
  ), targets AS (
    SELECT d.*, l.id AS new_tier, l.code AS new_code, l.place AS new_place,
      CASE WHEN d.outcome = 'renewed' THEN d.valid_until ELSE d.fall_at END AS at
    FROM decided d
    LEFT JOIN ladder l ON l.place = CASE
      WHEN d.outcome = 'renewed' THEN d.place
      WHEN d.outcome = 'fallen' THEN least(d.place - 1, CASE WHEN p ->> 'downgrade' = 'recompute'
        THEN (SELECT coalesce(max(x.place), 0) FROM ladder x WHERE x.threshold <= d.fall_value)
        ELSE d.place - 1 END) END
  ), ends AS (
    SELECT t.*, CASE WHEN t.new_place > 0 AND p ->> 'downgrade' <> 'none'
        THEN public.calendar_shift(t.at, window_, zone) END AS new_end
    FROM targets t
  )
  SELECT array_agg(n.member_id ORDER BY n.id)
      FILTER (WHERE n.outcome = 'other' OR n.new_end <= p_moment) AS others,
    array_agg(n.id ORDER BY n.id) FILTER (WHERE n.outcome = 'grace') AS waiting,
    array_agg(n.fall_at ORDER BY n.id) FILTER (WHERE n.outcome = 'grace') AS waits,
    array_agg(n.id ORDER BY n.id) FILTER (WHERE k.is_new) AS ids,
    array_agg(n.member_id ORDER BY n.id) FILTER (WHERE k.is_new) AS members,
    array_agg(n.new_tier ORDER BY n.id) FILTER (WHERE k.is_new) AS tiers,
    array_agg(n.at ORDER BY n.id) FILTER (WHERE k.is_new) AS starts,
    array_agg(n.new_end ORDER BY n.id) FILTER (WHERE k.is_new) AS ends,
    array_agg(jsonb_build_object('cause', n.outcome, 'from_tier', n.code,
        'value', CASE WHEN n.outcome = 'renewed' THEN n.value ELSE n.fall_value END,
        'threshold', n.threshold, 'window_to', public.tiers_iso(n.at),
        'window_from', public.tiers_iso(
          CASE WHEN n.outcome = 'renewed' THEN n.since ELSE n.fall_since END))
      ORDER BY n.id) FILTER (WHERE k.is_new) AS evidence,
    array_agg(n.code ORDER BY n.id) FILTER (WHERE k.is_new) AS befores,
    array_agg(n.new_code ORDER BY n.id) FILTER (WHERE k.is_new) AS afters
  INTO outcomes
  FROM ends n CROSS JOIN LATERAL (SELECT n.outcome IN ('renewed', 'fallen')
    AND (n.new_end IS NULL OR n.new_end > p_moment) AS is_new) k;

  others := coalesce(outcomes.others, '{}');
  UPDATE public.members_tiermembership m SET grace_ends_at = w.until
    FROM unnest(outcomes.waiting, outcomes.waits) w(id, until) WHERE m.id = w.id;
  IF outcomes.ids IS NULL THEN
    RETURN;
  END IF;
  changed := cardinality(outcomes.ids);
  UPDATE public.members_tiermembership m SET ends_at = c.at
    FROM unnest(outcomes.ids, outcomes.starts) c(id, at) WHERE m.id = c.id;
  INSERT INTO public.members_tiermembership (member_id, tier_id, starts_at, valid_until, evidence,
      recorded_at)
    SELECT n.member, n.tier, n.starts_at, n.valid_until, n.evidence, p_recorded_at
    FROM unnest(outcomes.members, outcomes.tiers, outcomes.starts, outcomes.ends,
      outcomes.evidence) n(member, tier, starts_at, valid_until, evidence);
  INSERT INTO public.members_outboxevent (public_id, program_id, kind, member_id, payload,
      created_at, attempts, failure)
    SELECT gen_random_uuid(), p_program, 'tier_changed', n.member,
      jsonb_build_object('before', n.before, 'after', n.after), p_recorded_at, 0, ''
    FROM unnest(outcomes.members, outcomes.befores, outcomes.afters) n(member, before, after)
    WHERE n.before <> n.after;
END $$;
