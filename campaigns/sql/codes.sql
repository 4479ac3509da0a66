-- A code is worth its points once: what became of it is never unmade, and no code appears twice.
CREATE OR REPLACE FUNCTION public.campaigns_earningcode_once()
  RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  IF TG_OP = 'DELETE' OR old.redeemed_at IS NOT NULL
      OR (old.id, old.batch_id, old.public_id, old.digest)
        IS DISTINCT FROM (new.id, new.batch_id, new.public_id, new.digest) THEN
    RAISE EXCEPTION 'a code that was made is redeemed once and otherwise never changed'
      USING ERRCODE = '23514', CONSTRAINT = 'campaigns_earningcode_once';
  END IF;
  RETURN new;
END $$;

CREATE TRIGGER campaigns_earningcode_once BEFORE UPDATE OR DELETE ON public.campaigns_earningcode
  FOR EACH ROW EXECUTE FUNCTION public.campaigns_earningcode_once();
