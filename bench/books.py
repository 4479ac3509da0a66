"""Books of any size, made set by set through the ledger's own posting function.

Every trigger, key and check is on. Members, accounts and standings are inserted in sets too,
which is what enrollment does for one; no purchases are made beside the transactions, since the
disk goes to the books. A member earns ten times in both currencies, the whole membership in the
order of time, so that a member's rows lie as far apart as they do on a site that grew.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

# One earn writes two headers, a lot and four entries.
EARNS = 10
ENTRIES_PER_EARN = 4
# The first earns of a member end together, one transaction for them, and are what S6 expires.
ENDING_EARNS = 4
SLICES = 5
AGES_DAYS = (225, 222, 219, 216, 190, 160, 130, 100, 70, 40)
# Slices of members end and are graded apart from each other: a round of S6 or S7 each.
DAYS_TO_END, DAYS_TO_GRADING, DAYS_BETWEEN_GRADINGS = 10, 1, 32
MEMBERS_PER_POST = 500
MEMBERS_PER_INSERT = 10_000
WRITERS = 2

_MEMBERS = """
INSERT INTO members_member (program_id, public_id, number, status, first_name, last_name, locale,
    timezone, source_channel, referral_code, card_secret, enrolled_at, recorded_at, changed_at)
SELECT p.id, gen_random_uuid(), 'B' || lpad(n::text, 9, '0'), 'active', '', '', '', '', '', '',
  gen_random_uuid(), %(moment)s - interval '2 years', %(moment)s - interval '2 years',
  %(moment)s - interval '2 years'
FROM members_program p, generate_series(%(first)s::int, %(last)s::int) n ORDER BY n
RETURNING id
"""
# Whoever reached the tier before the last of it by a purchase of a year ago.
_STANDINGS = """
INSERT INTO members_tiermembership (member_id, tier_id, starts_at, ends_at, valid_until, evidence,
    recorded_at)
SELECT m.id, t.id, s.starts_at, s.ends_at, s.valid_until, s.evidence, s.starts_at
FROM members_member m
CROSS JOIN LATERAL (SELECT %(moment)s + make_interval(
    days => %(to_grading)s + %(apart)s * (m.id %% %(slices)s)::int,
    mins => (m.id %% 1200)::int) AS due) d
CROSS JOIN LATERAL (VALUES
  (1, m.enrolled_at, d.due - interval '1 year', NULL::timestamptz,
   '{"cause": "enrolled", "value": 0, "threshold": 0}'::jsonb),
  (2, d.due - interval '1 year', NULL, d.due,
   jsonb_build_object('cause', 'reached', 'from_tier', 'bronze', 'value', 1250,
     'threshold', 1250))) s(rung, starts_at, ends_at, valid_until, evidence)
JOIN (SELECT id, row_number() OVER (ORDER BY threshold) AS rung FROM members_tier
      WHERE NOT is_retired) t ON t.rung = s.rung
WHERE m.id = ANY (%(members)s::bigint[])
"""
_EARN = """
SELECT cardinality(ledger_post(c.program, %(at)s, jsonb_build_object(
  'headers', (SELECT jsonb_agg(h.header ORDER BY h.h) FROM h),
  'lots', (SELECT jsonb_agg(jsonb_build_object('h', h.h, 'account', h.account,
     'points', h.points, 'earned_at', h.at, 'available_at', h.at,
     'expires_at', h.ends_at)) FROM h WHERE h.kind = 'redeemable'),
  'uses', '[]'::jsonb,
  'entries', (SELECT jsonb_agg(jsonb_build_object('h', h.h, 'account', e.account,
     'points', e.points)) FROM h CROSS JOIN LATERAL
     (VALUES (h.issued, -h.points), (h.account, h.points)) e(account, points)))))
FROM (SELECT id AS program FROM members_program) c
"""
_ROWS = """
WITH h AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY a.member_id, a.currency_id) - 1 AS h, a.currency_kind AS kind,
    a.id AS account, i.id AS issued, o.points, o.at,
    CASE WHEN %(round)s < %(ending)s
      THEN date_trunc('day', %(moment)s) + make_interval(
        days => %(to_end)s + (a.member_id %% %(slices)s)::int)
      ELSE date_trunc('day', %(moment)s) + make_interval(days => 365 - %(age)s) END AS ends_at,
    jsonb_build_object('member', a.member_id, 'currency', a.currency_id, 'type', 'earn',
      'source', 'bench', 'ref', 'bench-' || a.member_id || '-' || %(round)s, 'actor', 'bench',
      'occurred_at', o.at) AS header
  FROM members_ledgeraccount a
  JOIN members_ledgeraccount i ON i.member_id IS NULL AND i.currency_id = a.currency_id
    AND i.kind = 'issued'
  CROSS JOIN LATERAL (SELECT 90 + (a.member_id * 7 + %(round)s * 13) %% 70 AS points,
    %(at)s - make_interval(mins => (a.member_id %% 1440)::int) AS at) o
  WHERE a.member_id = ANY (%(members)s::bigint[]) AND a.kind = 'available'
)
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is made for a number of entries."""

    entries: int

    @property
    def members(self) -> int:
        """The members, each with ten earns in two currencies."""
        per_member = EARNS * ENTRIES_PER_EARN
        return max(self.entries // per_member // SLICES * SLICES, SLICES)

    @property
    def lots(self) -> int:
        """The lots of all earns."""
        return self.members * EARNS

    @property
    def ending_lots(self) -> int:
        """The lots that S6 expires."""
        return self.members * ENDING_EARNS


def chunks(members: list[int], size: int) -> Iterator[list[int]]:
    """Yield the members in parts of at most ``size``."""
    for first in range(0, len(members), size):
        yield members[first : first + size]


def enroll(url: str, size: Size, moment: datetime) -> list[int]:
    """Insert the members with their accounts and standings; return their ids in order."""
    from members.services.accounts import open_accounts

    made: list[int] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for first in range(0, size.members, MEMBERS_PER_INSERT):
            last = min(first + MEMBERS_PER_INSERT, size.members) - 1
            values = {"moment": moment, "first": first, "last": last}
            members = [row[0] for row in connection.execute(_MEMBERS, values)]
            open_accounts(members)
            stand(connection, members, moment)
            made += members
    return made


def stand(connection: psycopg.Connection[Any], members: list[int], moment: datetime) -> None:
    """Insert the standings of members: the lowest rung, then the one above, due for grading."""
    connection.execute(
        _STANDINGS,
        {
            "members": members,
            "moment": moment,
            "to_grading": DAYS_TO_GRADING,
            "apart": DAYS_BETWEEN_GRADINGS,
            "slices": SLICES,
        },
    )


def earn(url: str, members: list[int], number: int, moment: datetime) -> None:
    """Post the earns of one of the ten rounds for all members, two writers at a time."""
    age = AGES_DAYS[number]
    values = {
        "round": number,
        "moment": moment,
        "at": moment - timedelta(days=age),
        "age": age,
        "ending": ENDING_EARNS,
        "to_end": DAYS_TO_END,
        "slices": SLICES,
    }

    def write(part: list[int]) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            # Prepared statements want the types of parameters, which cursors of the client spare.
            cursor = psycopg.ClientCursor(connection)
            for chunk in chunks(part, MEMBERS_PER_POST):
                cursor.execute((_ROWS + _EARN).encode(), values | {"members": chunk})

    half = -(-len(members) // WRITERS)
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(write, chunks(members, max(half, 1))))
