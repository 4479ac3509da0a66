-- The two calls of purchase intake. Between them the rules are evaluated, outside the database.
-- Their plans, and those of what they call, are made once: whoever the member is, each statement
-- is a few look-ups by index, and planning it anew costs more than running it.

-- Open: take the key and the business keys, resolve and lock the members, post what is due on
-- their accounts, and return the facts.
-- p: {"rows": [{"source", "external_id", "member"?: uuid, "candidates"?: [[kind, value], ...]}],
--     "keys"?: [[caller, key, fingerprint in hex] | null, ...] by row,
--     "since": earliest occurred_at, "months": window, "grace_days": of the tiers,
--     "qualifying": currency, "segments": bool, "history": bool, "standing": bool,
--     "bought_since"?: instant, "digits"?: of the money}
-- The answer is json and not jsonb: it is written once and read by nobody here, and building it
-- costs half.
-- Row positions count from 0. Rows whose keys are not new stand under "kept" by position, as
-- idempotency_begin has them, and are left out of everything else. A dry run takes no lock and
-- writes nothing.
CREATE OR REPLACE FUNCTION public.intake_open(p_program bigint, p jsonb, p_moment timestamptz,
    p_dry_run boolean)
  RETURNS json LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  rows jsonb := p -> 'rows';
  keys jsonb := p -> 'keys';
  kept jsonb;
  state jsonb;
  found json;
  members bigint[];
  r record;
BEGIN
  FOR i IN 0 .. coalesce(jsonb_array_length(keys), 0) - 1 LOOP
    IF keys -> i ->> 1 IS NOT NULL THEN
      state := public.idempotency_begin(keys -> i ->> 0, keys -> i ->> 1,
        decode(keys -> i ->> 2, 'hex'));
      IF state ->> 'state' <> 'new' THEN
        kept := coalesce(kept, '{}') || jsonb_build_object(i::text, state);
      END IF;
    END IF;
  END LOOP;
  IF kept IS NOT NULL THEN
    rows := (SELECT jsonb_agg(e.row ORDER BY e.n)
             FROM jsonb_array_elements(rows) WITH ORDINALITY e(row, n)
             WHERE NOT kept ? (e.n - 1)::text);
    IF rows IS NULL THEN
      RETURN json_build_object('kept', kept);
    END IF;
  END IF;
  IF NOT p_dry_run THEN
    -- In sorted order, so that two batches with the same purchases never wait for each other.
    FOR r IN SELECT x.source, x.external_id
             FROM jsonb_to_recordset(rows) x(source text, external_id text)
             ORDER BY 1, 2 LOOP
      PERFORM public.lock_business_key('purchase', r.source, r.external_id);
    END LOOP;
  END IF;
  SELECT json_agg(json_build_object(
      'known', q.id, 'public_id', q.public_id, 'content_key', encode(q.content_key, 'hex'),
      'known_member', q.known_member, 'member', coalesce(m.merged_into_id, m.id, i.member_id),
      'parked', EXISTS (SELECT FROM public.members_return t WHERE t.state = 'parked'
        AND t.purchase_external_id = x.external_id AND t.purchase_source = x.source
        AND t.program_id = p_program)) ORDER BY x.n),
    array_agg(DISTINCT coalesce(m.merged_into_id, m.id, i.member_id))
      FILTER (WHERE coalesce(m.id, i.member_id) IS NOT NULL)
  INTO found, members
  FROM (SELECT e.n, j.* FROM jsonb_array_elements(rows) WITH ORDINALITY e(row, n),
          jsonb_to_record(e.row) j(source text, external_id text, member uuid,
            candidates jsonb)) x
  LEFT JOIN LATERAL (
    SELECT q.id, q.public_id, q.content_key, k.public_id AS known_member
    FROM public.members_purchase q
    LEFT JOIN public.members_member k ON k.id = q.member_id
    WHERE q.external_id = x.external_id AND q.source = x.source AND q.program_id = p_program
  ) q ON true
  LEFT JOIN public.members_member m ON m.public_id = x.member AND m.program_id = p_program
    AND m.status NOT IN ('erased', 'pool')
  LEFT JOIN LATERAL (
    SELECT s.member_id FROM (
      SELECT d.member_id, c.n
      FROM jsonb_array_elements(x.candidates) WITH ORDINALITY c(j, n)
      JOIN public.members_identifier d
        ON d.value = c.j ->> 1 AND d.kind = c.j ->> 0 AND d.program_id = p_program
      UNION ALL
      -- A row that went into another still names the person.
      SELECT coalesce(w.merged_into_id, w.id), c.n
      FROM jsonb_array_elements(x.candidates) WITH ORDINALITY c(j, n)
      JOIN public.members_member w ON c.j ->> 0 = 'number' AND w.number = c.j ->> 1
        AND w.program_id = p_program AND w.status NOT IN ('erased', 'pool')) s
    ORDER BY s.n LIMIT 1) i ON x.member IS NULL;
  IF members IS NOT NULL AND NOT p_dry_run THEN
    PERFORM public.ledger_settle_due(members, p_moment, p_moment, 'intake');
  END IF;
  RETURN json_build_object(
    'kept', kept,
    'version', (SELECT version FROM public.members_program WHERE id = p_program),
    'rows', found,
    'members', public.intake_members(members, p));
END $$;

-- The facts of members, read after their lock.
CREATE OR REPLACE FUNCTION public.intake_members(p_members bigint[], p jsonb)
  RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT coalesce(json_object_agg(m.id, json_build_object(
      'public_id', m.public_id, 'status', m.status, 'enrolled_at', m.enrolled_at,
      'birth_date', m.birth_date, 'locale', m.locale, 'source_channel', m.source_channel,
      'accounts', (
        SELECT json_object_agg(a.currency_id || ':' || a.kind, json_build_array(a.id, a.balance,
          CASE WHEN a.kind = 'debt' AND a.balance < 0
            THEN public.ledger_earliest_payment(a.id) END))
        FROM public.members_ledgeraccount a WHERE a.member_id = m.id),
      'standings', s.standings,
      'gains', (
        SELECT coalesce(json_agg(json_build_array(g.at, g.points)), '[]')
        FROM public.tiers_gained(m.id || m.absorbed, (p ->> 'qualifying')::bigint,
          least((p ->> 'since')::timestamptz, s.graded_at) - make_interval(
            months => (p ->> 'months')::int + 1, days => (p ->> 'grace_days')::int)) g),
      'segments', CASE WHEN (p ->> 'segments')::boolean THEN (
        SELECT coalesce(json_agg(g.code), '[]') FROM public.members_segmentmembership sm
        JOIN public.members_segment g ON g.id = sm.segment_id
        WHERE sm.member_id = m.id AND NOT g.is_retired) END,
      'history', CASE WHEN (p ->> 'history')::boolean THEN (
        SELECT coalesce(json_agg(h.occurred_at), '[]') FROM public.members_purchase h
        WHERE h.member_id = ANY (m.id || m.absorbed)) END,
      'tags', CASE WHEN (p ->> 'standing')::boolean THEN (
        SELECT coalesce(json_agg(json_build_array(w.tag, w.tagged_at, w.expires_at)), '[]')
        FROM public.members_membertag w WHERE w.member_id = ANY (m.id || m.absorbed)) END,
      'scores', CASE WHEN (p ->> 'standing')::boolean THEN (
        SELECT coalesce(json_agg(json_build_array(c.code, c.text, c.value::text)), '[]')
        FROM public.members_memberscore c WHERE c.member_id = m.id) END,
      'attributes', CASE WHEN (p ->> 'standing')::boolean THEN (
        SELECT coalesce(json_agg(json_build_array(
          d.code, v.text, v.number::text, v.flag, v.texts)), '[]')
        FROM public.members_memberattribute v
        JOIN public.members_attributedefinition d ON d.id = v.definition_id
        WHERE v.member_id = m.id AND NOT d.is_retired) END,
      'identifiers', CASE WHEN (p ->> 'standing')::boolean THEN (
        SELECT coalesce(json_agg(json_build_array(i.kind, i.added_at, i.verified_at)), '[]')
        FROM public.members_identifier i WHERE i.member_id = m.id) END,
      'consents', CASE WHEN (p ->> 'standing')::boolean THEN (
        SELECT coalesce(json_agg(json_build_array(r.purpose || ':' || r.channel, r.granted, r.at)
          ORDER BY r.at, r.id), '[]')
        FROM public.members_consentrecord r WHERE r.member_id = m.id) END,
      'bought', CASE WHEN p ? 'bought_since' THEN (
        SELECT public.intake_bought(m.id || m.absorbed, (p ->> 'bought_since')::timestamptz,
          (p ->> 'digits')::int)) END)), '{}')
    FROM public.members_member m
    -- As tiers_standings has them: a call for each member costs as much as all that it reads.
    CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(json_build_object('id', t.id, 'tier', t.tier_id,
          'starts_at', t.starts_at, 'ends_at', t.ends_at, 'valid_until', t.valid_until,
          'evidence', t.evidence) ORDER BY t.starts_at, t.id), '[]') AS standings,
        min(t.valid_until) FILTER (WHERE t.ends_at IS NULL) AS graded_at
      FROM public.members_tiermembership t
      WHERE t.member_id = m.id AND t.superseded_at IS NULL) s
    WHERE m.id = ANY (p_members));
END $$;

-- What the rows of one person bought since an instant, without what came back:
-- [[occurred_at, store, [[category, net, quantity], ...]], ...]. Read only where a rule asks.
CREATE OR REPLACE FUNCTION public.intake_bought(p_members bigint[], p_since timestamptz,
    p_digits int)
  RETURNS json LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT coalesce(json_agg(json_build_array(h.occurred_at, h.store, b.parts)), '[]')
    FROM public.members_purchase h
    CROSS JOIN LATERAL (
      SELECT json_agg(json_build_array(g.category, g.net::text, g.quantity::text)) AS parts
      FROM (
        SELECT l.category, sum(l.quantity - r.quantity) AS quantity,
          sum(round(l.net * (l.quantity - r.quantity) / l.quantity, p_digits)) AS net
        FROM public.members_purchaseline l
        CROSS JOIN LATERAL (SELECT coalesce(sum(x.quantity), 0) AS quantity
          FROM public.members_returnline x WHERE x.purchase_line_id = l.id) r
        WHERE l.purchase_id = h.id AND l.quantity > r.quantity
        GROUP BY l.category) g) b
    WHERE h.member_id = ANY (p_members) AND h.occurred_at >= p_since AND b.parts IS NOT NULL);
END $$;

-- Read counters, locking them unless it is a dry run: those of members, stores and devices
-- first, those of campaigns last, each in the order of their keys.
-- p: [{"scope", "code", "per", "subject", "period", "period_start", "currency", "limit"?,
--      "uses_limit"?}]
-- Returns [[points, uses], ...] in the order asked.
CREATE OR REPLACE FUNCTION public.limits_reserve(p_program bigint, p jsonb, p_dry_run boolean)
  RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  IF NOT p_dry_run THEN
    INSERT INTO public.campaigns_limitcounter AS c (program_id, scope, code, per, subject,
        period, period_start, currency, points, uses, points_limit, uses_limit, told_percent)
      SELECT p_program, k.scope, k.code, k.per, k.subject, k.period, k.period_start, k.currency,
        0, 0, k."limit", k.uses_limit, 0
      FROM jsonb_to_recordset(p) k(scope text, code text, per text, subject text, period text,
        period_start text, currency text, "limit" bigint, uses_limit bigint)
      ORDER BY k.scope DESC, k.code, k.per, k.subject, k.period, k.period_start, k.currency
      ON CONFLICT (code, subject, period_start, currency, per, period, scope, program_id)
      DO UPDATE SET points_limit =
          CASE WHEN excluded.points_limit IS NOT NULL
            THEN greatest(excluded.points_limit, c.points) END,
        uses_limit =
          CASE WHEN excluded.uses_limit IS NOT NULL THEN greatest(excluded.uses_limit, c.uses) END,
        -- A budget that was raised is told of anew.
        told_percent = CASE WHEN excluded.points_limit > c.points_limit
          OR excluded.uses_limit > c.uses_limit THEN 0 ELSE c.told_percent END;
  END IF;
  RETURN (
    SELECT coalesce(jsonb_agg(jsonb_build_array(coalesce(c.points, 0), coalesce(c.uses, 0))
      ORDER BY e.n), '[]')
    FROM jsonb_array_elements(p) WITH ORDINALITY e(j, n),
      jsonb_to_record(e.j) k(scope text, code text, per text, subject text, period text,
        period_start text, currency text)
    LEFT JOIN public.campaigns_limitcounter c ON c.code = k.code AND c.subject = k.subject
      AND c.period_start = k.period_start AND c.currency = k.currency AND c.per = k.per
      AND c.period = k.period AND c.scope = k.scope AND c.program_id = p_program);
END $$;

-- Add to counters that this transaction has reserved, or release what a return brings back.
-- campaigns_limitcounter_within refuses what goes above a limit.
CREATE OR REPLACE FUNCTION public.limits_add(p_program bigint, p jsonb)
  RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.campaigns_limitcounter c
    SET points = greatest(c.points + k.points, 0), uses = greatest(c.uses + k.uses, 0)
    FROM (SELECT scope, code, per, subject, period, period_start, currency,
            sum(points)::bigint AS points, sum(uses)::bigint AS uses
          FROM jsonb_to_recordset(p) x(scope text, code text, per text, subject text,
            period text, period_start text, currency text, points bigint, uses bigint)
          GROUP BY 1, 2, 3, 4, 5, 6, 7) k
    WHERE c.code = k.code AND c.subject = k.subject AND c.period_start = k.period_start
      AND c.currency = k.currency AND c.per = k.per AND c.period = k.period
      AND c.scope = k.scope AND c.program_id = p_program;
END $$;

-- Tell staff of budgets that have just reached 80 or 100 per cent, once for each of the two.
CREATE OR REPLACE FUNCTION public.budgets_tell(p_program bigint, p jsonb, p_recorded_at timestamptz)
  RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH now AS (
    SELECT c.id, CASE
        WHEN c.points >= c.points_limit OR c.uses >= c.uses_limit THEN 100
        WHEN c.points * 100 >= c.points_limit * 80 OR c.uses * 100 >= c.uses_limit * 80 THEN 80
        ELSE 0 END AS percent
    FROM (SELECT DISTINCT code, currency FROM jsonb_to_recordset(p) x(scope text, code text,
        currency text) WHERE scope = 'campaign') k
    JOIN public.campaigns_limitcounter c ON c.code = k.code AND c.subject = ''
      AND c.period_start = '' AND c.currency = k.currency AND c.per = 'program'
      AND c.period = 'lifetime' AND c.scope = 'campaign' AND c.program_id = p_program),
  reached AS (
    UPDATE public.campaigns_limitcounter c SET told_percent = n.percent
    FROM now n WHERE c.id = n.id AND n.percent > c.told_percent
    RETURNING c.code, c.currency, c.points, c.points_limit, c.uses, c.uses_limit, n.percent)
  INSERT INTO public.members_outboxevent (public_id, program_id, kind, payload, created_at,
      attempts, failure)
    SELECT gen_random_uuid(), p_program, 'budget_alert', jsonb_build_object('campaign', r.code,
      'percent', r.percent,
      'of', CASE r.currency WHEN '' THEN 'uses' WHEN '$' THEN 'money' ELSE r.currency END,
      'used', CASE WHEN r.currency = '' THEN r.uses ELSE r.points END,
      'budget', CASE WHEN r.currency = '' THEN r.uses_limit ELSE r.points_limit END),
      p_recorded_at, 0, ''
    FROM reached r ORDER BY r.code, r.currency;
END $$;

-- Post what was decided: purchases with their lines, or a claim of a known purchase, or an
-- event; the ledger; awards; standings; counters ("budgets" where any is a campaign's); outbox; the answers to keys, each as
-- [caller, key, fingerprint in hex, status, body, member].
-- "p" of a line or an award is the position of its purchase, "h" that of its ledger header.
CREATE OR REPLACE FUNCTION public.intake_post(p_program bigint, p_recorded_at timestamptz, p jsonb)
  RETURNS void LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  purchases bigint[];
  event bigint;
  transactions bigint[];
BEGIN
  IF p ? 'purchases' THEN
    SELECT array_agg(nextval('public.members_purchase_id_seq') ORDER BY g) INTO purchases
      FROM generate_series(1, jsonb_array_length(p -> 'purchases')) g;
    INSERT INTO public.members_purchase (id, public_id, program_id, source, external_id,
        content_key, member_id, occurred_at, recorded_at, store, channel, cashier, device,
        currency, net, state, coupons, tenders, evaluation)
      SELECT purchases[x.n], x.public_id, p_program, x.source, x.external_id,
        decode(x.content_key, 'hex'), x.member, x.occurred_at, p_recorded_at, x.store,
        x.channel, x.cashier, x.device, x.currency, x.net, 'closed', x.coupons, x.tenders,
        x.evaluation
      FROM ROWS FROM (jsonb_to_recordset(p -> 'purchases') AS (public_id uuid, source text,
        external_id text, content_key text, member bigint, occurred_at timestamptz, store text,
        channel text, cashier text, device text, currency text, net numeric, coupons text[],
        tenders jsonb, evaluation jsonb)) WITH ORDINALITY
        x(public_id, source, external_id, content_key, member, occurred_at, store, channel,
          cashier, device, currency, net, coupons, tenders, evaluation, n);
    INSERT INTO public.members_purchaseline (purchase_id, position, line_id, sku, name,
        category, brand, quantity, unit_price, discount, tax, tags, net)
      SELECT purchases[x.p + 1], x.position, x.line_id, x.sku, x.name, x.category, x.brand,
        x.quantity, x.unit_price, x.discount, x.tax, coalesce(x.tags, '{}'), x.net
      FROM jsonb_to_recordset(p -> 'lines') x(p int, position smallint, line_id text, sku text,
        name text, category text, brand text, quantity numeric, unit_price numeric,
        discount numeric, tax numeric, tags text[], net numeric);
  ELSIF p ? 'claim' THEN
    purchases := ARRAY[(p -> 'claim' ->> 'purchase')::bigint];
    UPDATE public.members_purchase SET member_id = (p -> 'claim' ->> 'member')::bigint,
        -- Later than whatever came back before it, also where a clock or a wait says otherwise:
        -- the two instants tell what earned nothing from what takes its points back.
        claimed_at = greatest(p_recorded_at, (SELECT max(r.applied_at) + interval '1 microsecond'
          FROM public.members_return r WHERE r.purchase_id = purchases[1])),
        evaluation = p -> 'claim' -> 'evaluation'
      WHERE id = purchases[1];
  ELSIF p ? 'event' THEN
    INSERT INTO public.campaigns_event (public_id, program_id, member_id, type, source,
        external_id, content_key, payload, occurred_at, recorded_at, evaluation)
      SELECT x.public_id, p_program, x.member, x.type, x.source, x.external_id,
        decode(x.content_key, 'hex'), x.payload, x.occurred_at, p_recorded_at, x.evaluation
      FROM jsonb_to_record(p -> 'event') x(public_id uuid, member bigint, type text,
        source text, external_id text, content_key text, payload jsonb,
        occurred_at timestamptz, evaluation jsonb)
      RETURNING id INTO event;
  END IF;
  transactions := public.ledger_post(p_program, p_recorded_at, p -> 'ledger');
  IF p ? 'settle' THEN
    -- Points of the past that are available by now, or that pay a debt made since.
    PERFORM public.ledger_settle_due((SELECT array_agg(value::bigint)
      FROM jsonb_array_elements_text(p -> 'settle')), p_recorded_at, p_recorded_at, 'intake');
  END IF;
  IF p ? 'renewals' THEN
    PERFORM public.ledger_renew(p -> 'renewals', p_recorded_at);
  END IF;
  IF jsonb_array_length(p -> 'awards') > 0 THEN
    INSERT INTO public.campaigns_award (purchase_id, event_id, member_id, currency_id,
        rule_version_id, transaction_id, position, requested, points, taken_back, capped_by,
        text, line_id, attribution, limit_uses, available_at, expires_at, occurred_at)
      SELECT CASE WHEN event IS NULL THEN purchases[x.p + 1] END, event, x.member, x.currency,
        x.rule_version, transactions[x.h + 1], x.position, x.requested, x.points, 0,
        x.capped_by, x.text, x.line_id, coalesce(x.attribution, '{}'), x.limit_uses,
        x.available_at, x.expires_at, x.occurred_at
      FROM jsonb_to_recordset(p -> 'awards') x(p int, h int, member bigint, currency bigint,
        rule_version bigint, position smallint, requested bigint, points bigint,
        capped_by text, text text, line_id text, attribution bigint[], limit_uses jsonb,
        available_at timestamptz, expires_at timestamptz, occurred_at timestamptz);
  END IF;
  IF p ? 'tiers' THEN
    PERFORM public.tiers_write(p -> 'tiers', p_recorded_at);
  END IF;
  IF p ? 'limits' THEN
    PERFORM public.limits_add(p_program, p -> 'limits');
    IF p ? 'budgets' THEN
      PERFORM public.budgets_tell(p_program, p -> 'limits', p_recorded_at);
    END IF;
  END IF;
  IF p ? 'outbox' THEN
    INSERT INTO public.members_outboxevent (public_id, program_id, kind, member_id, payload,
        created_at, attempts, failure)
      SELECT gen_random_uuid(), p_program, x.kind, x.member, x.payload, p_recorded_at, 0, ''
      FROM jsonb_to_recordset(p -> 'outbox') x(kind text, member bigint, payload jsonb);
  END IF;
  IF p ? 'keys' THEN
    PERFORM public.idempotency_store(k ->> 0, k ->> 1, decode(k ->> 2, 'hex'), (k ->> 3)::int,
        k -> 4, (k ->> 5)::bigint, p_recorded_at)
      FROM jsonb_array_elements(p -> 'keys') k;
  END IF;
END $$;
