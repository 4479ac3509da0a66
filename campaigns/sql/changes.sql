-- Changes that make points worth less: no earlier than the program's notice has run, and never
-- another one than was announced. A change of the clocks may cut one hour from a notice of days.
CREATE OR REPLACE FUNCTION public.announced_change_judged() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.notice_days < coalesce((SELECT (p.document #>> '{program,notice_days}')::int
                                   FROM public.members_program p WHERE p.id = NEW.program_id), 0)
       OR NEW.effective_at < NEW.announced_at + make_interval(
            hours => greatest(NEW.notice_days * 24 - 1, 0)) THEN
      RAISE EXCEPTION 'a change holds after its notice has run'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'campaigns_announcedchange_notice';
    END IF;
  ELSIF (NEW.id, NEW.program_id, NEW.kind, NEW.code, NEW.path, NEW.before, NEW.after,
         NEW.notice_days, NEW.announced_at, NEW.effective_at, NEW.actor)
      IS DISTINCT FROM
      (OLD.id, OLD.program_id, OLD.kind, OLD.code, OLD.path, OLD.before, OLD.after,
       OLD.notice_days, OLD.announced_at, OLD.effective_at, OLD.actor)
      OR (OLD.taken_at IS NOT NULL AND NEW.taken_at IS DISTINCT FROM OLD.taken_at)
      OR (OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at) THEN
    RAISE EXCEPTION 'what was announced stays as it was announced'
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'campaigns_announcedchange_kept';
  END IF;
  RETURN NEW;
END $$;
