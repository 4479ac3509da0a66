-- What a member holds of one currency at the present moment, and whether anything is due; one row,
-- or none for an unknown member. Its plan is made once: it is look-ups by index whoever the member
-- is, and planning it costs more than running it.
-- Whether something is due is answered on the way: by the soonest end of a lot, and by two
-- look-ups that are made only where points are pending or held.
CREATE OR REPLACE FUNCTION public.balance_now(p_member uuid, p_code text, p_moment timestamptz)
  RETURNS TABLE (member_id bigint, member_public_id uuid, currency_id bigint, currency_code text,
    worth numeric, money text, available bigint, pending bigint, held bigint, owed bigint,
    points bigint[], ends timestamptz[], earned bigint, is_due boolean)
  LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT m.id, m.public_id, c.id, c.code::text, c.value, p.currency::text,
      a.available, a.pending, a.held, a.owed, l.points, l.ends,
      coalesce((
        SELECT sum(e.points) FROM public.members_ledgertransaction t
        JOIN public.members_ledgerentry e ON e.transaction_id = t.id AND e.account_id = ANY (a.ids)
        WHERE t.member_id = m.id AND t.currency_id = c.id AND t.type = 'earn'), 0)::bigint,
      coalesce(l.ends[1] <= p_moment, false)
      OR CASE WHEN a.pending > 0 THEN EXISTS (
        SELECT FROM public.members_pointlot d WHERE d.account_id = a.pending_id AND d.remaining > 0
          AND d.available_at <= p_moment) ELSE false END
      OR CASE WHEN a.held > 0 THEN EXISTS (
        SELECT FROM public.members_ledgerhold h WHERE h.account_id = a.held_id AND h.is_open
          AND h.expires_at <= p_moment) ELSE false END
    FROM public.members_member m
    JOIN public.members_program p ON p.id = m.program_id
    LEFT JOIN LATERAL (
      SELECT c.id, c.code, c.value FROM public.members_pointcurrency c
      WHERE c.program_id = m.program_id
        AND CASE WHEN p_code IS NULL THEN c.kind = 'redeemable' ELSE c.code = p_code END
      ORDER BY c.is_retired, c.position, c.id LIMIT 1) c ON true
    LEFT JOIN LATERAL (
      SELECT array_agg(x.id) AS ids,
        max(x.id) FILTER (WHERE x.kind = 'available') AS available_id,
        max(x.active_on) AS active_on,
        max(x.id) FILTER (WHERE x.kind = 'pending') AS pending_id,
        max(x.id) FILTER (WHERE x.kind = 'held') AS held_id,
        coalesce(max(x.balance) FILTER (WHERE x.kind = 'available'), 0) AS available,
        coalesce(max(x.balance) FILTER (WHERE x.kind = 'pending'), 0) AS pending,
        coalesce(max(x.balance) FILTER (WHERE x.kind = 'held'), 0) AS held,
        -coalesce(max(x.balance) FILTER (WHERE x.kind = 'debt'), 0) AS owed
      FROM public.members_ledgeraccount x WHERE x.member_id = m.id AND x.currency_id = c.id) a ON true
    LEFT JOIN LATERAL (
      SELECT array_agg(o.points) AS points, array_agg(o.expires_at) AS ends
      FROM (SELECT sum(x.remaining)::bigint AS points, x.expires_at FROM public.members_pointlot x
            WHERE x.account_id = a.available_id AND x.remaining > 0 AND x.expires_at IS NOT NULL
              AND a.active_on IS NULL
            GROUP BY x.expires_at
            UNION ALL
            SELECT sum(y.remaining)::bigint, public.ledger_lot_end(y.expires_at, y.renew_months,
              a.active_on, p.id)
            FROM public.members_pointlot y
            WHERE y.account_id = a.available_id AND y.remaining > 0 AND y.expires_at IS NOT NULL
              AND a.active_on IS NOT NULL
            GROUP BY 2 ORDER BY 2) o) l ON true
    WHERE m.public_id = p_member;
END $$;
