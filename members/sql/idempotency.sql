-- One key, one act. The lock is of the database transaction, so that a killed request frees its
-- key, and the record commits with what the request did.

-- Take a key for this transaction. Returns {"state": "new"}, {"state": "busy"} while another
-- transaction holds it, {"state": "reused"} when it was used for another request, or
-- {"state": "replay", "status": ..., "body": ...}.
CREATE OR REPLACE FUNCTION public.idempotency_begin(p_caller text, p_key text, p_fingerprint bytea)
  RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended(p_caller || ' ' || p_key, 1)) THEN
    RETURN '{"state": "busy"}';
  END IF;
  SELECT fingerprint, status, body INTO r FROM public.members_idempotencyrecord
    WHERE key = p_key AND caller = p_caller;
  IF NOT FOUND THEN
    RETURN '{"state": "new"}';
  END IF;
  IF r.fingerprint <> p_fingerprint THEN
    RETURN '{"state": "reused"}';
  END IF;
  RETURN jsonb_build_object('state', 'replay', 'status', r.status, 'body', r.body);
END $$;

-- Keep the answer to the key taken by this transaction.
CREATE OR REPLACE FUNCTION public.idempotency_store(p_caller text, p_key text, p_fingerprint bytea,
    p_status int, p_body jsonb, p_member bigint, p_moment timestamptz)
  RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.members_idempotencyrecord
      (caller, key, fingerprint, status, body, member_id, created_at)
    VALUES (p_caller, p_key, p_fingerprint, p_status, p_body, p_member, p_moment);
END $$;

-- Wait for the business key of a purchase or return; freed when the transaction ends.
CREATE OR REPLACE FUNCTION public.lock_business_key(p_kind text, p_source text, p_external_id text)
  RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(
    hashtextextended(p_kind || ' ' || p_source || ' ' || p_external_id, 2));
END $$;
