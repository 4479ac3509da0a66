-- The rules of the books, kept by the database whoever writes, the tables' owner included.
-- A transaction is written in a fixed order: header, lots and lot uses, entries. The entries'
-- trigger judges the whole and alone moves balances. Everything is judged once per statement:
-- no per-row and no deferred PL/pgSQL.
-- Errors are of SQLSTATE class 23, so that callers see an integrity error.

-- 1. Which database transaction wrote a header: see epoch.sql.
ALTER TABLE public.members_ledgertransaction
  ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  ADD COLUMN epoch int NOT NULL DEFAULT public.ledger_epoch(),
  ADD COLUMN first_line smallint NOT NULL DEFAULT 1;
COMMENT ON COLUMN public.members_ledgertransaction.xid
  IS 'The database transaction that wrote the header; with epoch it ties the entries to it.';

ALTER TABLE public.members_ledgeraccount SET (fillfactor = 70);
-- A lot's remaining changes often and is part of no key, so a spare place keeps updates in place.
ALTER TABLE public.members_pointlot SET (fillfactor = 85);

-- No header without entries: a deferred foreign key to line 1, checked by the server at commit.
ALTER TABLE public.members_ledgertransaction
  ADD CONSTRAINT members_ledgertransaction_has_entries FOREIGN KEY (id, first_line)
    REFERENCES public.members_ledgerentry (transaction_id, line) DEFERRABLE INITIALLY DEFERRED,
  ADD CONSTRAINT members_ledgertransaction_first_line CHECK (first_line = 1);
-- Accounts and entries cannot leave their program and currency.
ALTER TABLE public.members_ledgeraccount
  ADD CONSTRAINT members_ledgeraccount_currency_identity
    FOREIGN KEY (currency_id, program_id, currency_kind)
    REFERENCES public.members_pointcurrency (id, program_id, kind),
  ADD CONSTRAINT members_ledgeraccount_floor_of_debt
    CHECK (floor = 0 OR (kind = 'debt' AND floor < 0));
ALTER TABLE public.members_ledgerentry
  ADD CONSTRAINT members_ledgerentry_account_identity
    FOREIGN KEY (account_id, program_id, currency_id)
    REFERENCES public.members_ledgeraccount (id, program_id, currency_id),
  ADD CONSTRAINT members_ledgerentry_points_sane
    CHECK (points <> 0 AND points BETWEEN -1000000000000 AND 1000000000000);
ALTER TABLE public.members_lotuse
  ADD CONSTRAINT members_lotuse_points_sane CHECK (points <> 0);

-- 2. Append-only. Statement triggers without rows cost nothing unless someone tries.
CREATE OR REPLACE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION '% on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_ledgertransaction EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_ledgerentry EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_lotuse EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.members_consentrecord EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_pointlot EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_ledgeraccount EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_ledgerhold EXECUTE FUNCTION public.refuse_change();

-- Balances, lots and holds move from within the triggers below only (depth above zero), so
-- that a hand-written UPDATE is refused to the owner too.
CREATE TRIGGER moved_by_uses BEFORE UPDATE ON public.members_pointlot
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER moved_by_headers BEFORE INSERT OR UPDATE ON public.members_ledgerhold
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER moved_by_entries BEFORE UPDATE OF id, program_id, currency_id, currency_kind,
    kind, member_id, keeps_balance, keeps_lots, ceiling, balance
  ON public.members_ledgeraccount
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();

-- 3. An account is born empty, and what follows from its kind is set here.
CREATE OR REPLACE FUNCTION public.ledger_account_born() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.keeps_balance := NEW.kind IN ('available', 'pending', 'held', 'debt');
  NEW.keeps_lots := NEW.kind IN ('available', 'pending') AND NEW.currency_kind = 'redeemable';
  NEW.ceiling := CASE NEW.kind WHEN 'debt' THEN 0 END;
  IF NEW.balance <> 0 OR NEW.active_on IS NOT NULL
     OR NEW.keeps_balance <> (NEW.member_id IS NOT NULL)
     OR NOT (NEW.keeps_balance
             OR NEW.kind IN ('issued', 'redeemed', 'expired', 'adjusted', 'moved', 'fees',
                             'donated', 'sold')
             OR NEW.kind LIKE 'partner:_%') THEN
    RAISE EXCEPTION 'not an account: kind, member or balance' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER born BEFORE INSERT ON public.members_ledgeraccount
  FOR EACH ROW EXECUTE FUNCTION public.ledger_account_born();

-- 4. What a type may do. Types that no act posts yet may do nothing.
-- Whether a type may move points of a kind of account in the direction of the sign. One look
-- into a constant text: a CASE of as many arms costs more to set up, in every statement, than
-- all other checks of the entries together. 'moved' is where points are on their way from one
-- member to another: what is taken out of one account comes into the other in the same
-- statement, so that it is always empty. 'sold' are points that were paid for with money.
-- A redemption that ends a hold is looked up as 'capture': it takes from what was held, and gives
-- back what it leaves over.
CREATE OR REPLACE FUNCTION public.ledger_may_move(p_type text, p_kind text, p_points bigint)
  RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN coalesce(strpos(
    ' available+earn available+activate available+release available+redemption_reversal ' ||
    'available+reinstate available+adjust_credit available+import available+exchange_in ' ||
    'available+transfer_in available+pool_in available+merge_in ' ||
    ' available-hold available-redeem available-clawback available-expire ' ||
    'available-adjust_debit available-import available-exchange_out available-donate ' ||
    'available-transfer_out available-pool_out available-merge_out available-merge_in ' ||
    ' pending+earn pending+adjust_credit pending+import pending+merge_in ' ||
    ' pending-activate pending-clawback pending-expire pending-adjust_debit pending-import ' ||
    'pending-merge_out ' ||
    ' held+hold ' ||
    ' held-release held-capture held-transfer_out ' ||
    ' available+capture debt+capture redeemed+capture ' ||
    ' debt+earn debt+activate debt+release debt+redemption_reversal debt+reinstate ' ||
    'debt+adjust_credit debt+import debt+write_off debt+exchange_in debt+transfer_in ' ||
    'debt+pool_in debt+merge_in debt+merge_out ' ||
    ' debt-clawback debt-adjust_debit debt-import debt-merge_in ' ||
    ' issued+clawback ' ||
    ' issued-earn ' ||
    ' redeemed+redeem ' ||
    ' redeemed-redemption_reversal ' ||
    ' expired+expire ' ||
    ' expired-reinstate ' ||
    ' adjusted+adjust_credit adjusted+adjust_debit adjusted+import adjusted+write_off ' ||
    ' adjusted-adjust_credit adjusted-adjust_debit adjusted-import adjusted-write_off ' ||
    ' moved+transfer_out moved+pool_out moved+merge_out moved+merge_in ' ||
    ' moved-transfer_in moved-pool_in moved-merge_in moved-merge_out ' ||
    ' fees+transfer_out ' ||
    ' donated+donate ' ||
    ' donated-redemption_reversal partner-redemption_reversal ' ||
    ' sold+adjust_debit ' ||
    ' sold-adjust_credit ' ||
    ' partner+exchange_out ' ||
    ' partner-exchange_in ',
    ' ' || split_part(p_kind, ':', 1) || CASE WHEN p_points > 0 THEN '+' ELSE '-' END || p_type || ' ') > 0,
    false);

-- What a header does, in the words of the table above.
CREATE OR REPLACE FUNCTION public.ledger_act(p_type text, p_resolves bigint)
  RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN p_resolves IS NOT NULL AND p_type = 'redeem' THEN 'capture' ELSE p_type END;

-- Whether a type may use a lot so; only what gives back has points below zero.
CREATE OR REPLACE FUNCTION public.ledger_may_use(p_type text, p_kind text, p_points bigint)
  RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN CASE
    WHEN p_kind = 'give_back' THEN
      p_points < 0 AND p_type IN ('release', 'capture', 'redemption_reversal')
    WHEN p_points < 0 THEN false
    WHEN p_kind = 'debt' THEN public.ledger_may_move(p_type, 'available', 1)
    WHEN p_kind = 'adjust' THEN p_type IN ('adjust_debit', 'import')
    -- A debt that arrives is paid at once by what is there.
    WHEN p_kind = 'move' THEN p_type IN ('transfer_out', 'pool_out', 'merge_out', 'merge_in')
    WHEN p_kind = 'redeem' THEN p_type IN ('redeem', 'donate', 'exchange_out')
    ELSE p_kind = p_type AND p_type IN ('hold', 'expire', 'activate', 'clawback')
  END;
END $$;

-- 5. Lots and uses only under a header of this database transaction that has no entries yet:
-- when the entries come the lots are complete, and nothing can be added after them.
CREATE OR REPLACE FUNCTION public.ledger_lots_opened() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM newrows n
      LEFT JOIN public.members_ledgertransaction h ON h.id = n.transaction_id
        AND h.xid = pg_current_xact_id() AND h.epoch = public.ledger_epoch()
      LEFT JOIN public.members_ledgeraccount a ON a.id = n.account_id AND a.keeps_lots
        AND a.program_id = h.program_id AND a.currency_id = h.currency_id
        AND a.member_id = h.member_id
      WHERE a.id IS NULL OR n.remaining <> n.points OR n.points <= 0
        OR (n.expires_at <= n.available_at AND n.waits_for = '')
        -- Points that ended while they wait move on as they are: they get grace when they come.
        OR (n.waits_for <> '' AND (a.kind <> 'pending'
          OR (n.expires_at <= n.earned_at AND n.moved_from_id IS NULL)))
        OR n.renew_months <= 0 OR (n.renew_months IS NOT NULL AND n.expires_at IS NULL)
        -- Uses are dated after the lot was earned: none may be older than its header.
        OR n.earned_at < h.occurred_at
        -- A debit that opened a lot would give old points a new life.
        OR NOT public.ledger_may_move(public.ledger_act(h.type, h.resolves_id), a.kind, n.points)
        OR EXISTS (SELECT FROM public.members_ledgerentry e
                   WHERE e.transaction_id = n.transaction_id)) THEN
    RAISE EXCEPTION 'a lot starts whole, under an open header, on an account of its member and currency'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER opened AFTER INSERT ON public.members_pointlot
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.ledger_lots_opened();

CREATE OR REPLACE FUNCTION public.ledger_lots_used() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM newrows n
      LEFT JOIN public.members_ledgertransaction h ON h.id = n.transaction_id
        AND h.xid = pg_current_xact_id() AND h.epoch = public.ledger_epoch()
      LEFT JOIN public.members_pointlot l ON l.id = n.lot_id
      LEFT JOIN public.members_ledgeraccount a ON a.id = l.account_id
        AND a.member_id = h.member_id AND a.currency_id = h.currency_id
      WHERE a.id IS NULL
        OR NOT public.ledger_may_use(public.ledger_act(h.type, h.resolves_id), n.kind, n.points)
        -- Points used before they were earned would make a balance of the past negative.
        OR (n.points > 0 AND h.occurred_at < l.earned_at)
        OR (n.kind = 'activate' AND h.occurred_at < l.available_at AND l.waits_for = '')
        OR (n.kind IN ('redeem', 'hold', 'move') AND h.occurred_at >= l.expires_at
            AND NOT (n.kind = 'move' AND a.kind = 'pending' AND l.waits_for <> '')
            AND (l.renew_months IS NULL OR h.occurred_at >= public.ledger_lot_end(
              l.expires_at, l.renew_months, a.active_on, a.program_id)))
        OR (n.kind = 'expire' AND (h.occurred_at >= l.expires_at) IS NOT TRUE)
        -- A lot that was renewed ends later than it says.
        OR (n.kind = 'expire' AND l.renew_months IS NOT NULL
            AND h.occurred_at < public.ledger_lot_end(l.expires_at, l.renew_months, a.active_on,
              a.program_id)))
    OR EXISTS (SELECT FROM public.members_ledgerentry e
               WHERE e.transaction_id IN (SELECT transaction_id FROM newrows)) THEN
    RAISE EXCEPTION 'a lot use needs an open header of its member, currency, kind and date'
      USING ERRCODE = 'check_violation';
  END IF;
  -- members_pointlot_remaining_within refuses what goes below zero or above the lot.
  UPDATE public.members_pointlot l SET remaining = l.remaining - u.points
    FROM (SELECT lot_id, sum(points)::bigint AS points FROM newrows GROUP BY lot_id) u
    WHERE l.id = u.lot_id;
  RETURN NULL;
END $$;
CREATE TRIGGER used AFTER INSERT ON public.members_lotuse
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.ledger_lots_used();

-- 6. The entries: the one place where a transaction is judged and balances move. What few
-- transactions are is judged by functions of judging.sql, giving_back.sql and approvals.sql.
CREATE OR REPLACE FUNCTION public.ledger_entries_posted() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bad boolean;
  reversing bigint[];
  holding bigint[];
  moving bigint[];
  adjusting bigint[];
  moved bigint;
  r record;
BEGIN
  -- (a) Each transaction balances, has two lines or more and is complete (line 1 is here, so
  -- by its unique key a second INSERT for the same header is impossible); its header was made
  -- in this database transaction; its accounts are of its program, currency and member, and
  -- of the counter-account that its type may touch.
  SELECT bool_or(t.bad), array_agg(t.id) FILTER (WHERE t.reverses),
         array_agg(t.id) FILTER (WHERE t.holds), array_agg(t.id) FILTER (WHERE t.moves),
         array_agg(t.id) FILTER (WHERE t.adjusts), sum(t.members)
    INTO bad, reversing, holding, moving, adjusting, moved
  FROM (
    SELECT h.id, h.reverses_id IS NOT NULL AS reverses,
      h.type = 'hold' OR h.resolves_id IS NOT NULL AS holds,
      h.counterpart_id IS NOT NULL
        OR h.type IN ('transfer_out', 'transfer_in', 'pool_out', 'pool_in', 'merge_out',
                      'merge_in') AS moves,
      h.type IN ('adjust_credit', 'adjust_debit', 'import', 'write_off', 'reinstate',
                 'exchange_in', 'exchange_out') AS adjusts,
      count(*) FILTER (WHERE a.keeps_balance) AS members,
      h.id IS NULL OR sum(n.points) <> 0 OR count(*) < 2 OR min(n.line) <> 1
        OR count(a.id) < count(*)
        OR count(*) FILTER (WHERE a.keeps_balance
                            AND a.member_id IS DISTINCT FROM h.member_id) > 0
        OR bool_or(NOT public.ledger_may_move(public.ledger_act(h.type, h.resolves_id), a.kind,
                                              n.points))
        -- The held account moves by holds and by what ends them.
        OR (count(*) FILTER (WHERE a.kind = 'held') = 1)
           <> (h.type = 'hold' OR h.resolves_id IS NOT NULL)
        OR count(*) FILTER (WHERE a.kind = 'held') > 1
        OR (h.type IN ('clawback', 'redemption_reversal')) <> (h.reverses_id IS NOT NULL)
        OR (h.resolves_id IS NOT NULL AND h.type NOT IN ('release', 'redeem', 'transfer_out'))
        OR (h.type = 'release' AND h.resolves_id IS NULL)
        OR (h.type = 'hold') <> (h.hold_expires_at IS NOT NULL)
        -- Personal data never enters a row that cannot be erased.
        OR strpos(h.external_ref || h.actor || h.source || h.reason_code, '@') > 0
        -- A telephone number is shorter than the text of a UUID, which may be all digits. Not a
        -- regular expression: the server builds its automaton anew for every row.
        OR (length(h.external_ref) BETWEEN 7 AND 25
            AND translate(h.external_ref, '+0123456789 ().-', '') = '') AS bad
    FROM newrows n
    LEFT JOIN public.members_ledgertransaction h ON h.id = n.transaction_id
      AND h.xid = pg_current_xact_id() AND h.epoch = public.ledger_epoch()
    LEFT JOIN public.members_ledgeraccount a ON a.id = n.account_id
      AND a.program_id = h.program_id AND a.currency_id = h.currency_id
    GROUP BY n.transaction_id, h.id) t;
  IF bad THEN
    RAISE EXCEPTION 'entries must balance, in one INSERT, under a header of this database transaction, on accounts of its program, currency, member and type'
      USING ERRCODE = 'check_violation';
  END IF;

  -- (b) Lots equal balances, by induction: in every transaction, per account, lots opened less
  -- lots used are the points posted. Nothing is summed over the account, so that it costs the
  -- same with 10 lots and with 100,000.
  IF EXISTS (
      SELECT FROM (
        SELECT n.transaction_id, n.account_id, n.points FROM newrows n
          JOIN public.members_ledgeraccount a ON a.id = n.account_id AND a.keeps_lots
        UNION ALL
        SELECT l.transaction_id, l.account_id, -l.points FROM public.members_pointlot l
          WHERE l.transaction_id IN (SELECT transaction_id FROM newrows)
        UNION ALL
        SELECT u.transaction_id, l.account_id, u.points FROM public.members_lotuse u
          JOIN public.members_pointlot l ON l.id = u.lot_id
          WHERE u.transaction_id IN (SELECT transaction_id FROM newrows)) x
      GROUP BY transaction_id, account_id HAVING sum(points) <> 0) THEN
    RAISE EXCEPTION 'lots do not equal the points posted' USING ERRCODE = 'check_violation';
  END IF;

  -- (c) The rare ones.
  IF reversing IS NOT NULL THEN
    PERFORM public.ledger_judge_reversals(reversing);
  END IF;
  IF holding IS NOT NULL THEN
    PERFORM public.ledger_judge_holds(holding);
  END IF;
  IF moving IS NOT NULL THEN
    PERFORM public.ledger_judge_moves(moving);
  END IF;
  IF adjusting IS NOT NULL THEN
    PERFORM public.ledger_judge_adjustments(adjusting);
    PERFORM public.ledger_judge_exchanges(adjusting);
  END IF;
  IF reversing IS NOT NULL OR holding IS NOT NULL THEN
    PERFORM public.ledger_judge_give_backs(reversing || holding);
  END IF;

  -- (d) Balances, always in account order, so that two writers never wait for each other.
  -- members_ledgeraccount_floor_kept refuses what goes below.
  IF moved <= 8 THEN
    FOR r IN SELECT n.account_id, sum(n.points)::bigint AS points
             FROM newrows n GROUP BY 1 ORDER BY 1 LOOP
      UPDATE public.members_ledgeraccount SET balance = balance + r.points
        WHERE id = r.account_id AND keeps_balance;
    END LOOP;
  ELSE
    PERFORM FROM public.members_ledgeraccount
      WHERE id IN (SELECT account_id FROM newrows) AND keeps_balance
      ORDER BY id FOR NO KEY UPDATE;
    UPDATE public.members_ledgeraccount a SET balance = a.balance + s.points
      FROM (SELECT account_id, sum(points)::bigint AS points FROM newrows GROUP BY 1) s
      WHERE a.id = s.account_id AND a.keeps_balance;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER posted AFTER INSERT ON public.members_ledgerentry
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.ledger_entries_posted();
