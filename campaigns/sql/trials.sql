-- A report that is finished is evidence: whoever approved a draft relied on it. Only who asked for
-- it can be forgotten.
CREATE OR REPLACE FUNCTION public.backtest_kept()
  RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
  told public.campaigns_backtest;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION 'backtests are kept'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'campaigns_backtest_kept';
  END IF;
  IF TG_OP = 'DELETE' THEN
    IF OLD.finished_at IS NULL THEN
      RETURN OLD;
    END IF;
    RAISE EXCEPTION 'a finished backtest is kept'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'campaigns_backtest_kept';
  END IF;
  told := NEW;
  told.requested_by_id := OLD.requested_by_id;
  IF OLD.finished_at IS NULL THEN
    -- Until then a worker writes how far it is; what is asked stays.
    told.started_at := OLD.started_at;
    told.finished_at := OLD.finished_at;
    told.members := OLD.members;
    told.done := OLD.done;
    told.extent := OLD.extent;
    told.extent_digest := OLD.extent_digest;
    told.figures := OLD.figures;
    told.failure := OLD.failure;
  END IF;
  IF told IS DISTINCT FROM OLD THEN
    RAISE EXCEPTION 'a backtest is kept as it is'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'campaigns_backtest_kept';
  END IF;
  RETURN NEW;
END $$;
