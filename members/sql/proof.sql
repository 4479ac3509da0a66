-- The proof of history: what was posted is sealed in a chain and a tree of hashes beside the
-- books, so that nobody can change it later without being found. docs/proof.md describes every
-- byte. Posting knows nothing of it: seals follow when the database transactions are over.

-- The canonical bytes of transactions of the books, by a range of their ids: one JSON object,
-- keys in the order of their code points, without white space (RFC 8785). Instants are in UTC,
-- whatever the session's time zone. What is sealed can never be said otherwise: a fact that is
-- added later may only appear where it is not null.
-- The parts are gathered by one grouping and not by joins: without statistics a join of groups
-- is planned as one look through everything for each transaction.
CREATE OR REPLACE FUNCTION public.ledger_leaves(p_first bigint, p_last bigint)
  RETURNS TABLE (transaction_id bigint, body text) LANGUAGE sql STABLE AS $$
  SELECT p.transaction_id,
    -- Rows that were moved to an account of somebody else belong to nobody.
    '{"account":' || CASE
        WHEN min(p.member_id) = max(p.member_id) AND min(p.currency_id) = max(p.currency_id)
        THEN coalesce('"' || max(p.account) || '"', 'null') ELSE 'null' END
    || max(p.before_entries)
    || coalesce(string_agg(p.said, ',' ORDER BY p.place) FILTER (WHERE p.part = 1), '')
    || max(p.before_lots)
    || coalesce(string_agg(p.said, ',' ORDER BY p.place) FILTER (WHERE p.part = 2), '')
    || max(p.before_uses)
    || coalesce(string_agg(p.said, ',' ORDER BY p.place) FILTER (WHERE p.part = 3), '')
    || '],"version":1}'
  FROM (
    SELECT t.id AS transaction_id, 0 AS part, 0::bigint AS place, t.member_id, t.currency_id,
      encode(sha256(convert_to(m.public_id || '/' || c.code, 'UTF8')), 'hex') AS account,
      ',"actor":"' || encode(sha256(convert_to(t.public_id || '/' || t.actor, 'UTF8')), 'hex')
      || '","counterpart":' || CASE WHEN t.counterpart_id IS NULL THEN 'null'
          ELSE public.ledger_public_name(t.counterpart_id) END
      || ',"currency":' || to_json(c.code) || ',"entries":[' AS before_entries,
      '],"hold_expires_at":' || coalesce(
          to_json(t.hold_expires_at AT TIME ZONE 'UTC')::text, 'null')
      || ',"lots":[' AS before_lots,
      '],"occurred_at":' || to_json(t.occurred_at AT TIME ZONE 'UTC')
      || ',"reason_code":' || to_json(t.reason_code)
      || ',"recorded_at":' || to_json(t.recorded_at AT TIME ZONE 'UTC')
      || ',"reference":' || to_json(t.external_ref)
      || ',"resolves":' || CASE WHEN t.resolves_id IS NULL THEN 'null'
          ELSE public.ledger_public_name(t.resolves_id) END
      || ',"reverses":' || CASE WHEN t.reverses_id IS NULL THEN 'null'
          ELSE public.ledger_public_name(t.reverses_id) END
      || ',"source":' || to_json(t.source)
      || ',"transaction":"' || t.public_id
      || '","type":' || to_json(t.type)
      || ',"uses":[' AS before_uses,
      NULL::text AS said
    FROM public.members_ledgertransaction t
    JOIN public.members_pointcurrency c ON c.id = t.currency_id
    LEFT JOIN public.members_member m ON m.id = t.member_id
    WHERE t.id BETWEEN p_first AND p_last
    UNION ALL
    SELECT n.transaction_id, 1, n.line, a.member_id, a.currency_id, NULL, NULL, NULL, NULL,
      '{"kind":' || to_json(a.kind)
      || CASE WHEN a.member_id IS NULL THEN ',"owner":"program","points":'
              ELSE ',"owner":"member","points":' END
      || n.points || '}'
    FROM public.members_ledgerentry n
    JOIN public.members_ledgeraccount a ON a.id = n.account_id
    WHERE n.transaction_id BETWEEN p_first AND p_last
    UNION ALL
    SELECT o.transaction_id, 2, o.id, a.member_id, a.currency_id, NULL, NULL, NULL, NULL,
      '{"available_at":' || to_json(o.available_at AT TIME ZONE 'UTC')
      || ',"earned_at":' || to_json(o.earned_at AT TIME ZONE 'UTC')
      || ',"expires_at":' || coalesce(to_json(o.expires_at AT TIME ZONE 'UTC')::text, 'null')
      || ',"kind":' || to_json(a.kind)
      || ',"moved_from":' || CASE WHEN o.moved_from_id IS NULL THEN 'null'
          ELSE public.ledger_lot_name(o.moved_from_id) END
      || ',"points":' || o.points
      || ',"renew_months":' || coalesce(o.renew_months::text, 'null')
      || ',"waits_for":' || to_json(o.waits_for) || '}'
    FROM public.members_pointlot o
    JOIN public.members_ledgeraccount a ON a.id = o.account_id
    WHERE o.transaction_id BETWEEN p_first AND p_last
    UNION ALL
    SELECT s.transaction_id, 3, s.id, NULL, NULL, NULL, NULL, NULL, NULL,
      '{"kind":' || to_json(s.kind) || ',"lot":' || public.ledger_lot_name(s.lot_id)
      || ',"points":' || s.points || '}'
    FROM public.members_lotuse s
    WHERE s.transaction_id BETWEEN p_first AND p_last) p
  GROUP BY p.transaction_id
$$;

-- The name of a transaction outside, as JSON.
CREATE OR REPLACE FUNCTION public.ledger_public_name(p_transaction bigint) RETURNS text
  LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN coalesce((SELECT '"' || public_id || '"' FROM public.members_ledgertransaction
                   WHERE id = p_transaction), '""');
END $$;

-- The name of a lot outside, as JSON: its transaction, and its place among the lots of it, from 0.
-- The proof of the books forbids look-ups row by row for its own sums; here they are what is meant.
CREATE OR REPLACE FUNCTION public.ledger_lot_name(p_lot bigint) RETURNS text
  LANGUAGE plpgsql STABLE PARALLEL SAFE SET enable_nestloop = on AS $$
BEGIN
  RETURN coalesce((
    SELECT '"' || t.public_id || '/' || (
        SELECT count(*) FROM public.members_pointlot o
        WHERE o.transaction_id = l.transaction_id AND o.id < l.id) || '"'
    FROM public.members_pointlot l
    JOIN public.members_ledgertransaction t ON t.id = l.transaction_id
    WHERE l.id = p_lot), '""');
END $$;

-- Seal what comes next, at most so many transactions, in the order of (epoch, database
-- transaction, id); returns how many. Only what is below the snapshot's xmin is sealed: every
-- database transaction below it is over, so that nothing can come before what is sealed. Of an
-- epoch that a restore has closed everything is.
-- It runs as the owner: the role of the site may seal, and write no seal of its own.
CREATE OR REPLACE FUNCTION public.ledger_seal(p_limit int) RETURNS int LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  latest record;
  ids bigint[];
  leaves bytea[];
  island record;
  found_ids bigint[];
  found_leaves bytea[];
  read_ids bigint[] := '{}';
  read_leaves bytea[] := '{}';
  chains bytea[] := '{}';
  chain bytea;
  size bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(712604011);
  SELECT s.sequence, s.chain_hash, t.epoch, t.xid, t.id INTO latest
    FROM public.members_ledgerseal s
    JOIN public.members_ledgertransaction t ON t.id = s.transaction_id
    ORDER BY s.sequence DESC LIMIT 1;
  size := coalesce(latest.sequence, 0);
  chain := coalesce(latest.chain_hash, sha256(''::bytea));
  SELECT array_agg(n.id ORDER BY n.epoch, n.xid, n.id) INTO ids FROM (
    SELECT t.epoch, t.xid, t.id FROM public.members_ledgertransaction t
    WHERE (t.epoch, t.xid, t.id)
        > (coalesce(latest.epoch, 0), coalesce(latest.xid, '0'::xid8), coalesce(latest.id, 0))
      AND (t.epoch < public.ledger_epoch() OR t.xid < pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY t.epoch, t.xid, t.id LIMIT p_limit) n;
  IF ids IS NULL THEN
    RETURN 0;
  END IF;
  -- Ids lie close together but for those of slow transactions: they are read by their islands.
  FOR island IN
      SELECT min(g.id) AS first_id, max(g.id) AS last_id FROM (
        SELECT k.id, count(*) FILTER (WHERE k.is_far) OVER (ORDER BY k.id) AS island FROM (
          SELECT r.id, r.id - lag(r.id) OVER (ORDER BY r.id) > 1000 AS is_far
          FROM unnest(ids) r(id)) k) g
      GROUP BY g.island LOOP
    -- Planned for each range: a plan for any range reads the whole books for each.
    EXECUTE $q$SELECT array_agg(f.transaction_id),
        array_agg(sha256('\x00'::bytea || convert_to(f.body, 'UTF8')))
      FROM public.ledger_leaves($1, $2) f$q$
      INTO found_ids, found_leaves USING island.first_id, island.last_id;
    read_ids := read_ids || found_ids;
    read_leaves := read_leaves || found_leaves;
  END LOOP;
  SELECT array_agg(f.leaf ORDER BY w.n) INTO leaves
    FROM unnest(ids) WITH ORDINALITY w(id, n)
    JOIN unnest(read_ids, read_leaves) f(id, leaf) ON f.id = w.id;
  FOR i IN 1..cardinality(ids) LOOP
    chain := sha256(chain || leaves[i]);
    chains[i] := chain;
  END LOOP;
  INSERT INTO public.members_ledgerseal (sequence, transaction_id, leaf_hash, chain_hash)
    SELECT size + r.n, r.id, r.leaf, r.chain
    FROM unnest(ids, leaves, chains) WITH ORDINALITY r(id, leaf, chain, n);
  PERFORM public.ledger_grow_tree(size, size + cardinality(ids));
  RETURN cardinality(ids);
END $$;

-- Keep the roots of the complete blocks of 256 leaves, and of the complete pairs above them,
-- which the leaves from one size to another complete. A proof then reads two blocks of leaves
-- and a few roots, however many leaves there are.
CREATE OR REPLACE FUNCTION public.ledger_grow_tree(p_from bigint, p_to bigint) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  level int := 8;
  first_one bigint := p_from / 256;
  last_one bigint := p_to / 256;
  hashes bytea[];
BEGIN
  SELECT array_agg(s.leaf_hash ORDER BY s.sequence) INTO hashes
    FROM public.members_ledgerseal s
    WHERE s.sequence > first_one * 256 AND s.sequence <= last_one * 256;
  WHILE last_one > first_one LOOP
    FOR i IN 1..CASE level WHEN 8 THEN 8 ELSE 1 END LOOP
      SELECT array_agg(sha256('\x01'::bytea || x.hash || x.right_hash) ORDER BY x.n) INTO hashes
        FROM (SELECT h.hash, h.n, lead(h.hash) OVER (ORDER BY h.n) AS right_hash
              FROM unnest(hashes) WITH ORDINALITY h(hash, n)) x
        WHERE x.n % 2 = 1;
    END LOOP;
    INSERT INTO public.members_ledgernode (height, position, hash)
      SELECT level, first_one + h.n - 1, h.hash
      FROM unnest(hashes) WITH ORDINALITY h(hash, n);
    first_one := first_one / 2;
    last_one := last_one / 2;
    level := level + 1;
    SELECT array_agg(k.hash ORDER BY k.position) INTO hashes
      FROM public.members_ledgernode k
      WHERE k.height = level - 1
        AND k.position >= first_one * 2 AND k.position < last_one * 2;
  END LOOP;
END $$;

-- Whether something waits to be sealed, the oldest database transaction that may still write,
-- and whether there is one: what comes after it waits for it.
CREATE OR REPLACE FUNCTION public.ledger_sealing()
  RETURNS TABLE (is_waiting boolean, oldest_xid bigint, is_held boolean) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN QUERY SELECT
    EXISTS (
      SELECT FROM public.members_ledgertransaction t
      LEFT JOIN (
        SELECT n.epoch, n.xid, n.id FROM public.members_ledgerseal s
        JOIN public.members_ledgertransaction n ON n.id = s.transaction_id
        ORDER BY s.sequence DESC LIMIT 1) l ON true
      WHERE (t.epoch, t.xid, t.id)
        > (coalesce(l.epoch, 0), coalesce(l.xid, '0'::xid8), coalesce(l.id, 0))),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    pg_snapshot_xmin(pg_current_snapshot()) < pg_snapshot_xmax(pg_current_snapshot());
END $$;

-- Each seal follows the one before it, the owner's too.
CREATE OR REPLACE FUNCTION public.ledger_seals_followed() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM (
        SELECT n.sequence, n.leaf_hash, n.chain_hash,
          lag(n.sequence) OVER (ORDER BY n.sequence) AS before,
          lag(n.chain_hash) OVER (ORDER BY n.sequence) AS chain_before
        FROM newrows n) x
      LEFT JOIN public.members_ledgerseal p
        ON x.before IS NULL AND p.sequence = x.sequence - 1
      WHERE coalesce(x.before, p.sequence, 0) <> x.sequence - 1
        OR x.chain_hash <> sha256(
          coalesce(x.chain_before, p.chain_hash, sha256(''::bytea)) || x.leaf_hash)) THEN
    RAISE EXCEPTION 'a seal follows the one before it' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
