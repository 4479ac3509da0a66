-- Orders of points: what of an order may change, and that points which were paid for come and go
-- as it says.

-- What was bought and paid stays; the rest is written once. It begins as paid under a request of
-- its own, is withdrawn when that was rejected, and is refunded once, when its act is reversed.
CREATE OR REPLACE FUNCTION public.points_order_judged() RETURNS trigger LANGUAGE plpgsql
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  zone text;
  approved text;
BEGIN
  SELECT p.state INTO approved FROM public.members_approval p
    WHERE p.id = NEW.approval_id AND p.act = 'points_order' AND p.is_credit
      AND (p.program_id, p.member_id, p.currency_id, p.points)
        = (NEW.program_id, NEW.member_id, NEW.currency_id, NEW.points);
  IF TG_OP = 'INSERT' THEN
    SELECT p.timezone INTO zone FROM public.members_program p WHERE p.id = NEW.program_id;
    NEW.refundable_until := ((NEW.paid_at AT TIME ZONE zone)::date + 15)::timestamp
      AT TIME ZONE zone;
    IF approved IS DISTINCT FROM 'requested' OR NEW.state <> 'paid' OR NEW.refund_why <> ''
       OR NEW.transaction_id IS NOT NULL OR NOT EXISTS (
         SELECT FROM public.members_pointcurrency c
         WHERE c.id = NEW.currency_id AND c.kind = 'redeemable') THEN
      RAISE EXCEPTION 'an order of points begins as paid, under a request of its own'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'members_pointsorder_course';
    END IF;
    RETURN NEW;
  END IF;
  IF (NEW.approval_id, NEW.program_id, NEW.member_id, NEW.currency_id, NEW.points, NEW.price,
      NEW.money, NEW.price_digits, NEW.provider, NEW.reference, NEW.paid_at,
      NEW.refundable_until, NEW.expires_at)
     IS DISTINCT FROM
     (OLD.approval_id, OLD.program_id, OLD.member_id, OLD.currency_id, OLD.points, OLD.price,
      OLD.money, OLD.price_digits, OLD.provider, OLD.reference, OLD.paid_at,
      OLD.refundable_until, OLD.expires_at)
     OR (NEW.transaction_id IS DISTINCT FROM OLD.transaction_id
         AND (OLD.transaction_id IS NOT NULL OR NOT EXISTS (
           SELECT FROM public.members_ledgertransaction h
           JOIN public.members_approval p ON p.public_id::text = h.external_ref
           WHERE h.id = NEW.transaction_id AND h.type = 'adjust_credit'
             AND h.source = p.act AND p.id = NEW.approval_id)))
     OR (NEW.refund_id IS DISTINCT FROM OLD.refund_id
         AND (OLD.refund_id IS NOT NULL OR NOT EXISTS (
           SELECT FROM public.members_ledgertransaction h
           JOIN public.members_approval p ON p.public_id::text = h.external_ref
           WHERE h.id = NEW.refund_id AND h.type = 'adjust_debit'
             AND h.source = 'reversal' AND p.id = NEW.approval_id)))
     OR (OLD.state = 'refunded' AND (NEW.refunded_at, NEW.refunded_points, NEW.refunded_price)
         IS DISTINCT FROM (OLD.refunded_at, OLD.refunded_points, OLD.refunded_price))
     OR (NEW.refund_why NOT IN (OLD.refund_why, '')
         AND (OLD.state || ' ' || NEW.state) <> 'paid refunded')
     OR (NEW.state <> OLD.state AND NOT CASE OLD.state || ' ' || NEW.state
           WHEN 'paid withdrawn' THEN approved = 'rejected'
           WHEN 'paid refunded' THEN approved = 'reversed' AND OLD.transaction_id IS NOT NULL
           ELSE false END) THEN
    RAISE EXCEPTION 'an order of points keeps what was paid, and its course'
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'members_pointsorder_course';
  END IF;
  RETURN NEW;
END $$;

-- Whether a transaction moves what its order says: all that was bought, or the refund's points,
-- each of a lot that the order opened or of one that goes back to it.
CREATE OR REPLACE FUNCTION public.points_order_moves(p_approval bigint, p_transaction bigint,
    p_points bigint)
  RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  bought record;
  posted record;
  own bigint;
BEGIN
  SELECT o.state, o.points, o.refunded_points, o.transaction_id INTO bought
    FROM public.members_pointsorder o WHERE o.approval_id = p_approval;
  SELECT h.type, h.source INTO posted
    FROM public.members_ledgertransaction h WHERE h.id = p_transaction;
  IF posted.type = 'adjust_credit' THEN
    RETURN coalesce(posted.source = 'points_order' AND bought.state = 'paid'
      AND bought.points = p_points, false);
  END IF;
  WITH RECURSIVE up AS (
    SELECT u.id, u.points, l.moved_from_id, l.transaction_id
      FROM public.members_lotuse u JOIN public.members_pointlot l ON l.id = u.lot_id
      WHERE u.transaction_id = p_transaction
    UNION ALL
    SELECT up.id, up.points, l.moved_from_id, l.transaction_id
      FROM up JOIN public.members_pointlot l ON l.id = up.moved_from_id)
  SELECT sum(up.points) INTO own FROM up
    WHERE up.moved_from_id IS NULL AND up.transaction_id = bought.transaction_id;
  RETURN coalesce(posted.type = 'adjust_debit' AND posted.source = 'reversal'
    AND bought.state = 'refunded' AND bought.refunded_points = p_points AND own = p_points, false);
END $$;

-- The open lots of points that were paid for, whoever holds them now: those that orders opened,
-- and those that points of them were moved to.
CREATE OR REPLACE FUNCTION public.points_order_lots()
  RETURNS TABLE (lot_id bigint) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN QUERY
    WITH RECURSIVE moved AS (
      SELECT l.id FROM public.members_pointsorder o
        JOIN public.members_pointlot l ON l.transaction_id = o.transaction_id
      UNION
      SELECT l.id FROM moved m JOIN public.members_pointlot l ON l.moved_from_id = m.id)
    SELECT m.id FROM moved m;
END $$;
