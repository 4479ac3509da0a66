-- Judges of transactions that few are: reversals, holds and their ends, and what goes from one
-- member to another. The entries' trigger of ledger.sql calls them; they run with its rights.

CREATE OR REPLACE FUNCTION public.ledger_judge_reversals(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  originals bigint[];
BEGIN
  -- An older snapshot would miss the other reversals of the same original.
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'reversals need READ COMMITTED' USING ERRCODE = 'restrict_violation';
  END IF;
  SELECT array_agg(DISTINCT reverses_id) INTO originals
    FROM public.members_ledgertransaction
    WHERE id = ANY (p_transactions) AND reverses_id IS NOT NULL;
  -- Queue on the originals, then judge all their reversals together.
  PERFORM FROM public.members_ledgertransaction
    WHERE id = ANY (originals) ORDER BY id FOR NO KEY UPDATE;
  IF EXISTS (  -- in sum: only the original's program accounts, opposed, within its amounts
      SELECT FROM (
        SELECT h.reverses_id AS original, e.account_id, sum(e.points) AS points
        FROM public.members_ledgertransaction h
        JOIN public.members_ledgerentry e ON e.transaction_id = h.id
        JOIN public.members_ledgeraccount a ON a.id = e.account_id AND NOT a.keeps_balance
        WHERE h.reverses_id = ANY (originals) GROUP BY 1, 2) r
      LEFT JOIN LATERAL (
        SELECT sum(e.points) AS points FROM public.members_ledgerentry e
        WHERE e.transaction_id = r.original AND e.account_id = r.account_id) o ON true
      WHERE o.points IS NULL OR sign(r.points) = sign(o.points) OR abs(r.points) > abs(o.points))
    OR EXISTS (  -- each by itself too: no reversal of a reversal hidden in the sum
      SELECT FROM public.members_ledgertransaction h
      JOIN public.members_ledgerentry n ON n.transaction_id = h.id
      JOIN public.members_ledgeraccount a ON a.id = n.account_id AND NOT a.keeps_balance
      JOIN public.members_ledgerentry e
        ON e.transaction_id = h.reverses_id AND e.account_id = n.account_id
      WHERE h.id = ANY (p_transactions) AND sign(n.points) = sign(e.points))
    OR EXISTS (
      SELECT FROM public.members_ledgertransaction h
      JOIN public.members_ledgertransaction o ON o.id = h.reverses_id
      WHERE h.id = ANY (p_transactions)
        AND (o.reverses_id IS NOT NULL OR o.currency_id <> h.currency_id
             OR o.program_id <> h.program_id OR o.member_id IS DISTINCT FROM h.member_id
             OR (h.type = 'clawback' AND o.type <> 'earn')
             OR (h.type = 'redemption_reversal'
                 AND o.type NOT IN ('redeem', 'donate', 'exchange_out')))) THEN
    RAISE EXCEPTION 'a reversal must oppose its original, on its accounts, within its amounts'
      USING ERRCODE = 'check_violation';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION public.ledger_judge_holds(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- What ends a hold takes exactly the held points out of the held account.
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction h
      LEFT JOIN public.members_ledgerhold o ON o.transaction_id = h.resolves_id AND o.is_open
      WHERE h.id = ANY (p_transactions) AND h.resolves_id IS NOT NULL
        AND (o.transaction_id IS NULL OR -o.points IS DISTINCT FROM (
          SELECT sum(e.points) FROM public.members_ledgerentry e
          WHERE e.transaction_id = h.id AND e.account_id = o.account_id)
          -- A capture that pays nothing would be a release by another name.
          OR (h.type = 'redeem' AND NOT EXISTS (
            SELECT FROM public.members_ledgerentry e
            JOIN public.members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'redeemed'
            WHERE e.transaction_id = h.id)))) THEN
    RAISE EXCEPTION 'a hold ends once, and as a whole' USING ERRCODE = 'check_violation';
  END IF;
  UPDATE public.members_ledgerhold SET is_open = false
    WHERE transaction_id IN (SELECT resolves_id FROM public.members_ledgertransaction
                             WHERE id = ANY (p_transactions) AND resolves_id IS NOT NULL);
  INSERT INTO public.members_ledgerhold (transaction_id, account_id, points, expires_at, is_open)
    SELECT h.id, e.account_id, e.points, h.hold_expires_at, true
    FROM public.members_ledgertransaction h
    JOIN public.members_ledgerentry e ON e.transaction_id = h.id
    JOIN public.members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'held'
    WHERE h.id = ANY (p_transactions) AND h.type = 'hold';
END $$;

-- Points that go from one member to another: what leaves the one comes to the other, in the same
-- statement, and every lot of the other continues one that was taken from the first.
CREATE OR REPLACE FUNCTION public.ledger_judge_moves(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction h
      LEFT JOIN public.members_ledgertransaction o ON o.id = CASE
        WHEN h.type LIKE '%\_in' THEN h.counterpart_id
        ELSE (SELECT i.id FROM public.members_ledgertransaction i WHERE i.counterpart_id = h.id) END
      WHERE h.id = ANY (p_transactions)
        AND (o.id IS NULL OR o.id <> ALL (p_transactions)
             OR (h.type LIKE '%\_out' AND h.counterpart_id IS NOT NULL)
             OR split_part(h.type, '_', 1) <> split_part(o.type, '_', 1) OR h.type = o.type
             OR o.program_id <> h.program_id OR o.currency_id <> h.currency_id
             OR o.member_id IS NOT DISTINCT FROM h.member_id
             OR (SELECT sum(e.points) FROM public.members_ledgerentry e
                 JOIN public.members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'moved'
                 WHERE e.transaction_id IN (h.id, o.id)) IS DISTINCT FROM 0)) THEN
    RAISE EXCEPTION 'points that leave one member come to another, all of them and at once'
      USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction h
      JOIN public.members_ledgertransaction o ON o.id = h.counterpart_id
      JOIN public.members_pointlot l ON l.transaction_id = h.id
      LEFT JOIN public.members_pointlot s ON s.id = l.moved_from_id
      LEFT JOIN public.members_ledgeraccount sa ON sa.id = s.account_id
      WHERE h.id = ANY (p_transactions)
        AND (s.id IS NULL
             OR (s.expires_at IS DISTINCT FROM l.expires_at
                 AND public.ledger_lot_end(s.expires_at, s.renew_months, sa.active_on,
                   sa.program_id) IS DISTINCT FROM l.expires_at)
             OR sa.kind IS DISTINCT FROM (SELECT a.kind FROM public.members_ledgeraccount a
                                          WHERE a.id = l.account_id)
             OR s.available_at IS DISTINCT FROM l.available_at AND sa.kind = 'pending'
             OR l.points > coalesce((
               SELECT sum(u.points) FROM public.members_lotuse u
               WHERE u.transaction_id = coalesce(o.resolves_id, o.id) AND u.lot_id = s.id
                 AND u.kind IN ('move', 'hold')), 0))) THEN
    RAISE EXCEPTION 'a lot that moves keeps its end, and no more moves than was taken from it'
      USING ERRCODE = 'check_violation';
  END IF;
  IF EXISTS (SELECT FROM public.members_ledgertransaction h
             WHERE h.id = ANY (p_transactions) AND h.type = 'pool_in') THEN
    PERFORM public.ledger_judge_pools(p_transactions);
  END IF;
END $$;
