-- Which database transaction wrote a header. A restored cluster counts transaction ids
-- anew, so it starts a new epoch, in which every older header counts as closed. The number
-- lives in a function body: it is inlined as a constant and travels in a dump. This file runs
-- once, so that no later migration takes the number back.
CREATE OR REPLACE FUNCTION public.ledger_epoch() RETURNS int LANGUAGE sql STABLE RETURN 1;

CREATE OR REPLACE FUNCTION public.ledger_new_epoch() RETURNS int LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  n int := public.ledger_epoch() + 1;
BEGIN
  EXECUTE format('CREATE OR REPLACE FUNCTION public.ledger_epoch() RETURNS int'
                 ' LANGUAGE sql STABLE RETURN %s', n);
  RETURN n;
END $$;
REVOKE EXECUTE ON FUNCTION public.ledger_new_epoch() FROM PUBLIC;
