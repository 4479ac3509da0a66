-- A pool is a member row that is nobody, and what may go in and out of its accounts: what its
-- members give, and to each of them what of their own is left. Few rows, so judged row by row.

-- Whose points a lot of a pool is: of whoever holds the nearest lot on its way that is not the
-- pool's own. A lot that was given back to the pool after its end continues the pool's.
CREATE OR REPLACE FUNCTION public.pool_contributor(p_lot bigint) RETURNS bigint
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  holder bigint;
  owner_ bigint;
  lot bigint := p_lot;
BEGIN
  LOOP
    SELECT a.member_id, l.moved_from_id INTO owner_, lot
      FROM public.members_pointlot l
      JOIN public.members_ledgeraccount a ON a.id = l.account_id WHERE l.id = lot;
    holder := coalesce(holder, owner_);
    IF owner_ IS DISTINCT FROM holder THEN
      RETURN owner_;
    END IF;
    IF lot IS NULL THEN
      RETURN NULL;
    END IF;
  END LOOP;
END $$;

-- Called by ledger_judge_moves, which holds what leaves against what arrives.
CREATE OR REPLACE FUNCTION public.ledger_judge_pools(p_transactions bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (
      SELECT FROM public.members_ledgertransaction i
      JOIN public.members_ledgertransaction o ON o.id = i.counterpart_id
      LEFT JOIN public.members_pool into_ ON into_.holder_id = i.member_id
      LEFT JOIN public.members_pool out_ ON out_.holder_id = o.member_id
      WHERE i.id = ANY (p_transactions) AND i.type = 'pool_in'
        AND ((into_.id IS NULL) = (out_.id IS NULL)
          OR coalesce(into_.currency_id, out_.currency_id) <> i.currency_id
          OR (into_.id IS NOT NULL AND NOT EXISTS (
            SELECT FROM public.members_poolmembership s
            WHERE s.pool_id = into_.id AND s.member_id = o.member_id AND s.left_at IS NULL))
          -- Nobody gets out of a pool what another gave to it.
          OR (out_.id IS NOT NULL AND EXISTS (
            SELECT FROM public.members_pointlot l
            WHERE l.transaction_id = i.id
              AND public.pool_contributor(l.moved_from_id) IS DISTINCT FROM i.member_id)))) THEN
    RAISE EXCEPTION 'points go into a pool by its members, and out of it to who gave them'
      USING ERRCODE = 'check_violation';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION public.pool_judged() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.closed_at IS NOT NULL OR NOT EXISTS (
        SELECT FROM public.members_member m WHERE m.id = NEW.holder_id AND m.status = 'pool'
          AND m.program_id = NEW.program_id)
      OR NOT EXISTS (
        SELECT FROM public.members_pointcurrency c WHERE c.id = NEW.currency_id
          AND c.program_id = NEW.program_id AND c.kind = 'redeemable') THEN
      RAISE EXCEPTION 'a pool is held by a row that is nobody, in points that buy rewards'
        USING ERRCODE = 'check_violation';
    END IF;
  ELSIF (OLD.id, OLD.public_id, OLD.program_id, OLD.currency_id, OLD.kind, OLD.holder_id,
         OLD.founded_at) IS DISTINCT FROM (NEW.id, NEW.public_id, NEW.program_id,
         NEW.currency_id, NEW.kind, NEW.holder_id, NEW.founded_at)
     OR (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at)
     OR (NEW.closed_at IS NOT NULL AND EXISTS (
       SELECT FROM public.members_poolmembership s
       WHERE s.pool_id = NEW.id AND s.left_at IS NULL)) THEN
    RAISE EXCEPTION 'a pool keeps what it is, and is closed once, when nobody is in it'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_pool
  FOR EACH ROW EXECUTE FUNCTION public.pool_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_pool EXECUTE FUNCTION public.refuse_change();

CREATE OR REPLACE FUNCTION public.pool_membership_judged() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.left_at IS NOT NULL OR NOT EXISTS (
        SELECT FROM public.members_pool p
        JOIN public.members_member m ON m.id = NEW.member_id AND m.program_id = p.program_id
          AND m.status <> 'pool'
        WHERE p.id = NEW.pool_id AND p.closed_at IS NULL) THEN
      RAISE EXCEPTION 'somebody joins a pool that is open' USING ERRCODE = 'check_violation';
    END IF;
  ELSIF (OLD.id, OLD.pool_id, OLD.member_id, OLD.joined_at)
          IS DISTINCT FROM (NEW.id, NEW.pool_id, NEW.member_id, NEW.joined_at)
     OR NEW.shared_through < OLD.shared_through
     OR (OLD.left_at IS NOT NULL AND (OLD.left_at, OLD.ending, OLD.role, OLD.share_pct)
          IS DISTINCT FROM (NEW.left_at, NEW.ending, NEW.role, NEW.share_pct)) THEN
    RAISE EXCEPTION 'who was in a pool, and since when, is never edited; it ends once'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_poolmembership
  FOR EACH ROW EXECUTE FUNCTION public.pool_membership_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_poolmembership EXECUTE FUNCTION public.refuse_change();

-- Nobody becomes a pool, and no pool becomes somebody.
CREATE TRIGGER pool_stays BEFORE UPDATE ON public.members_member
  FOR EACH ROW WHEN ((OLD.status = 'pool') <> (NEW.status = 'pool'))
  EXECUTE FUNCTION public.refuse_change();
