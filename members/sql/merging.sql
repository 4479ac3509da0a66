-- Who went into whom follows the record of merges, whoever writes it.

-- A member row points to the survivor of an open merge of its own, or to the member whom that
-- survivor went into; and lists exactly the rows that point to it.
CREATE OR REPLACE FUNCTION public.members_merged() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.merged_into_id IS NOT NULL AND (
      NOT EXISTS (SELECT FROM public.members_membermerge g
                  WHERE g.merged_id = NEW.id AND g.undone_at IS NULL)
      OR EXISTS (SELECT FROM public.members_member s
                 WHERE s.id = NEW.merged_into_id AND (s.merged_into_id IS NOT NULL
                   OR s.program_id <> NEW.program_id))) THEN
    RAISE EXCEPTION 'a member goes into another by a recorded merge'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;

-- A merge is written once; only its undoing is added.
CREATE OR REPLACE FUNCTION public.merges_changed() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF OLD.undone_at IS NOT NULL
     OR (NEW.id, NEW.public_id, NEW.survivor_id, NEW.merged_id, NEW.tier, NEW.vouchers, NEW.reason,
         NEW.moved, NEW.made_at)
       IS DISTINCT FROM (OLD.id, OLD.public_id, OLD.survivor_id, OLD.merged_id, OLD.tier,
         OLD.vouchers, OLD.reason, OLD.moved, OLD.made_at) THEN
    RAISE EXCEPTION 'a merge is undone once, never edited' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;

-- The rows of one person: a member and those that went into them.
CREATE OR REPLACE FUNCTION public.member_rows(p_member bigint) RETURNS bigint[]
  LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT m.id || m.absorbed FROM public.members_member m WHERE m.id = p_member);
END $$;
