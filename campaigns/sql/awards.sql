-- Awards and published rules are never rewritten; what returns took back of an award is moved
-- by the reversals alone.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.campaigns_ruleversion EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.campaigns_publication EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.campaigns_awardreversal EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.campaigns_award EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER moved_by_reversals BEFORE UPDATE
  ON public.campaigns_award
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();

CREATE OR REPLACE FUNCTION public.awards_born() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF EXISTS (SELECT FROM newrows n WHERE n.taken_back <> 0) THEN
    RAISE EXCEPTION 'an award starts whole' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER born AFTER INSERT ON public.campaigns_award
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.awards_born();

CREATE OR REPLACE FUNCTION public.awards_reversed() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- campaigns_award_taken_back_within refuses more than was given.
  UPDATE public.campaigns_award a SET taken_back = a.taken_back + r.points
    FROM (SELECT award_id, sum(points)::bigint AS points FROM newrows GROUP BY award_id) r
    WHERE a.id = r.award_id;
  RETURN NULL;
END $$;
CREATE TRIGGER reversed AFTER INSERT ON public.campaigns_awardreversal
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.awards_reversed();
