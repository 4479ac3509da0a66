-- A transfer between members is what the books say of it: its hold is the sender's, it ends once,
-- and how it ended is the transaction that resolved the hold. Few rows, so judged row by row.
CREATE OR REPLACE FUNCTION public.transfer_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  fits boolean;
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT NEW.state = 'requested' AND NEW.paused_at IS NULL INTO fits
      FROM public.members_ledgertransaction h
      JOIN public.members_ledgerhold o ON o.transaction_id = h.id AND o.is_open
      WHERE h.id = NEW.hold_id AND h.member_id = NEW.sender_id AND h.source = 'transfer'
        AND h.currency_id = NEW.currency_id AND h.program_id = NEW.program_id
        AND h.external_ref = NEW.public_id::text AND o.points = NEW.points + NEW.fee
        -- Points that lapse before they leave could be spent twice.
        AND o.expires_at > NEW.completes_at;
  ELSIF (OLD.id, OLD.public_id, OLD.program_id, OLD.currency_id, OLD.sender_id, OLD.points, OLD.fee,
         OLD.day, OLD.requested_at, OLD.hold_id)
        IS DISTINCT FROM
        (NEW.id, NEW.public_id, NEW.program_id, NEW.currency_id, NEW.sender_id, NEW.points, NEW.fee,
         NEW.day, NEW.requested_at, NEW.hold_id)
        OR OLD.recipient_id IS DISTINCT FROM NEW.recipient_id
        OR NEW.recipient_hint NOT IN (OLD.recipient_hint, '')
        OR NEW.completes_at < OLD.completes_at THEN
    fits := false;
  ELSIF OLD.state <> 'requested' THEN
    fits := (OLD.state, OLD.reason, OLD.completes_at, OLD.changed_at, OLD.changed_by,
             OLD.departure_id, OLD.arrival_id)
      IS NOT DISTINCT FROM (NEW.state, NEW.reason, NEW.completes_at, NEW.changed_at, NEW.changed_by,
             NEW.departure_id, NEW.arrival_id);
  ELSIF NEW.state = 'requested' THEN
    fits := true;
  ELSIF NEW.state = 'completed' THEN
    SELECT true INTO fits
      FROM public.members_ledgertransaction o
      JOIN public.members_ledgertransaction i ON i.counterpart_id = o.id
      WHERE o.id = NEW.departure_id AND i.id = NEW.arrival_id AND o.type = 'transfer_out'
        AND o.resolves_id = NEW.hold_id AND i.member_id = NEW.recipient_id
        AND o.external_ref = NEW.public_id::text
        AND NEW.points = (SELECT sum(e.points) FROM public.members_ledgerentry e
          JOIN public.members_ledgeraccount a ON a.id = e.account_id AND a.kind = 'moved'
          WHERE e.transaction_id = o.id);
  ELSE
    SELECT true INTO fits FROM public.members_ledgertransaction r
      WHERE r.resolves_id = NEW.hold_id AND r.type = 'release';
  END IF;
  IF fits IS NOT TRUE THEN
    RAISE EXCEPTION 'a transfer is what the books say of it, and ends once'
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_transfer
  FOR EACH ROW EXECUTE FUNCTION public.transfer_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_transfer EXECUTE FUNCTION public.refuse_change();
