-- What a batch of points may be changed in, and when.

-- The rows of a batch are what was approved: none comes and none changes afterwards.
CREATE OR REPLACE FUNCTION public.batch_rows_added() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM newrows n JOIN public.members_pointbatch b ON b.id = n.batch_id
             WHERE b.approval_id IS NOT NULL OR n.state NOT IN ('ready', 'refused')) THEN
    RAISE EXCEPTION 'a batch that was asked for takes no more rows'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION public.batch_row_kept() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (NEW.batch_id, NEW.line, NEW.member_id, NEW.points, NEW.earned_at, NEW.available_at,
      NEW.expires_at, NEW.tier_id, NEW.tier_until)
     IS DISTINCT FROM
     (OLD.batch_id, OLD.line, OLD.member_id, OLD.points, OLD.earned_at, OLD.available_at,
      OLD.expires_at, OLD.tier_id, OLD.tier_until)
     OR (OLD.transaction_id IS NOT NULL
         AND NEW.transaction_id IS DISTINCT FROM OLD.transaction_id)
     OR (OLD.reversal_id IS NOT NULL AND NEW.reversal_id IS DISTINCT FROM OLD.reversal_id)
     OR (NEW.state <> OLD.state AND OLD.state || ' ' || NEW.state
         NOT IN ('ready posted', 'ready refused', 'posted reversed')) THEN
    RAISE EXCEPTION 'a row of a batch keeps what it says'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

-- What is asked for is the sum of the rows, whatever the batch says of itself.
CREATE OR REPLACE FUNCTION public.batch_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (NEW.program_id, NEW.currency_id, NEW.kind, NEW.created_by_id)
     IS DISTINCT FROM (OLD.program_id, OLD.currency_id, OLD.kind, OLD.created_by_id)
     -- Its digest is known when its last row was read; until then it is put away.
     OR (NEW.digest <> OLD.digest AND OLD.state <> 'discarded')
     OR (OLD.approval_id IS NOT NULL AND NEW.approval_id IS DISTINCT FROM OLD.approval_id)
     OR (OLD.approval_id IS NULL AND NEW.approval_id IS NOT NULL AND NOT EXISTS (
       SELECT FROM public.members_approval p
       WHERE p.id = NEW.approval_id AND p.act = NEW.kind AND p.currency_id = NEW.currency_id
         AND p.points = (SELECT sum(r.points) FROM public.members_pointbatchrow r
                         WHERE r.batch_id = NEW.id AND r.state = 'ready'))) THEN
    RAISE EXCEPTION 'a batch is approved by the sum of its rows'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'members_pointbatch_sum';
  END IF;
  RETURN NEW;
END $$;
