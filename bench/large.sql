-- What pgbench calls: one purchase's points of a member in both currencies, as intake posts
-- them, without the facts and the receipt around. In a schema of the bench's own.
CREATE SCHEMA bench;
CREATE SEQUENCE bench.ref;
GRANT USAGE ON SCHEMA bench TO loyalty_site;
GRANT USAGE ON SEQUENCE bench.ref TO loyalty_site;

CREATE FUNCTION bench.post(p_member bigint) RETURNS bigint[] LANGUAGE plpgsql
  SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  ref text := 'bench-post-' || nextval('bench.ref');
  moment timestamptz := clock_timestamp();
  a record;
BEGIN
  PERFORM public.ledger_settle_due(ARRAY[p_member], moment, moment, 'bench');
  SELECT p.id AS program, r.id AS points, r.currency_id AS points_currency, q.id AS status,
      q.currency_id AS status_currency INTO a
    FROM public.members_program p
    JOIN public.members_ledgeraccount r ON r.member_id = p_member AND r.kind = 'available'
      AND r.currency_kind = 'redeemable'
    JOIN public.members_ledgeraccount q ON q.member_id = p_member AND q.kind = 'available'
      AND q.currency_kind = 'qualifying';
  RETURN public.ledger_post(a.program, moment, jsonb_build_object(
    'headers', jsonb_build_array(
      jsonb_build_object('member', p_member, 'currency', a.points_currency, 'type', 'earn',
        'source', 'bench', 'ref', ref, 'actor', 'bench', 'occurred_at', moment),
      jsonb_build_object('member', p_member, 'currency', a.status_currency, 'type', 'earn',
        'source', 'bench', 'ref', ref, 'actor', 'bench', 'occurred_at', moment)),
    'lots', jsonb_build_array(jsonb_build_object('h', 0, 'account', a.points, 'points', 11,
      'earned_at', moment, 'available_at', moment, 'expires_at', moment + interval '1 year')),
    'uses', '[]'::jsonb,
    'entries', jsonb_build_array(
      jsonb_build_object('h', 0, 'points', -11,
        'account', public.ledger_program_account(a.points_currency, 'issued')),
      jsonb_build_object('h', 0, 'points', 11, 'account', a.points),
      jsonb_build_object('h', 1, 'points', -11,
        'account', public.ledger_program_account(a.status_currency, 'issued')),
      jsonb_build_object('h', 1, 'points', 11, 'account', a.status))));
END $$;
