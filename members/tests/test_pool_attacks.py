"""Pools keep to the books, whoever writes their rows."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from members.models import Member, Pool, PoolMembership, Program
from members.services import pool_ends, pool_points, pools
from members.tests.books import Connection
from members.tests.people import DAY, earn, make_member, make_program
from members.tests.test_pools import TERMS, THEN

_POST = """
SELECT ledger_post(p.program_id, now(), jsonb_build_object(
  'headers', jsonb_build_array(
    jsonb_build_object('member', o.member_id, 'currency', p.currency_id, 'type', 'pool_out',
      'source', 'pool', 'ref', 'x', 'actor', 'x', 'occurred_at', now()),
    jsonb_build_object('member', i.member_id, 'currency', p.currency_id, 'type', 'pool_in',
      'source', 'pool', 'ref', 'x', 'actor', 'x', 'occurred_at', now(), 'counterpart', 0)),
  'lots', jsonb_build_array(jsonb_build_object('h', 1, 'account', i.id, 'points', 5,
    'earned_at', now(), 'available_at', now(), 'expires_at', l.expires_at, 'moved_from', l.id)),
  'uses', jsonb_build_array(jsonb_build_object('h', 0, 'lot', l.id, 'points', 5, 'kind', 'move')),
  'entries', jsonb_build_array(
    jsonb_build_object('h', 0, 'account', o.id, 'points', -5),
    jsonb_build_object('h', 0, 'account', v.id, 'points', 5),
    jsonb_build_object('h', 1, 'account', v.id, 'points', -5),
    jsonb_build_object('h', 1, 'account', i.id, 'points', 5))))
FROM members_pool p
JOIN members_ledgeraccount v ON v.member_id IS NULL AND v.kind = 'moved'
  AND v.currency_id = p.currency_id
JOIN members_ledgeraccount o ON o.kind = 'available' AND o.currency_id = p.currency_id
  AND o.member_id = {giver}
JOIN members_ledgeraccount i ON i.kind = 'available' AND i.currency_id = p.currency_id
  AND i.member_id = {taker}
JOIN LATERAL (SELECT * FROM members_pointlot x WHERE x.account_id = o.id AND x.remaining > 4
              ORDER BY x.id LIMIT 1) l ON true
WHERE p.closed_at IS NULL
"""
_IN_IT = "(SELECT s.member_id FROM members_poolmembership s WHERE s.left_at IS NULL AND s.role = "
_OWNER, _ADULT = _IN_IT + "'owner')", _IN_IT + "'adult')"
_STRANGER = "(SELECT max(m.id) FROM members_member m WHERE m.status = 'active')"

# The first member owns the pool and gave 50 of 100 points, the second is an adult in it, the third
# had left it, and the fourth was never in it.
ATTACKS = {
    "out of the pool to another": _POST.format(giver="p.holder_id", taker=_ADULT),
    "into the pool by a stranger": _POST.format(giver=_STRANGER, taker="p.holder_id"),
    "past the pool": _POST.format(giver=_OWNER, taker=_ADULT),
    "somebody becomes a pool": "UPDATE members_member SET status = 'pool' WHERE status = 'active'",
    "a pool becomes somebody": "UPDATE members_member SET status = 'active' WHERE status = 'pool'",
    "a pool with a name of a person": (
        "UPDATE members_member SET first_name = 'Ana' WHERE status = 'pool'"
    ),
    "another holder": "UPDATE members_pool SET holder_id = " + _STRANGER,
    "closed with somebody in it": "UPDATE members_pool SET closed_at = now()",
    "another kind": "UPDATE members_pool SET kind = 'company'",
    "a pool deleted": "DELETE FROM members_pool",
    "another member": (
        "UPDATE members_poolmembership SET member_id = " + _STRANGER + " WHERE role = 'owner'"
    ),
    "joined earlier": "UPDATE members_poolmembership SET joined_at = joined_at - interval '1 day'",
    "in it again without joining": (
        "UPDATE members_poolmembership SET left_at = NULL, ending = '' WHERE left_at IS NOT NULL"
    ),
    "two owners": "UPDATE members_poolmembership SET role = 'owner' WHERE left_at IS NULL",
    "a role of its own": "UPDATE members_poolmembership SET role = 'king' WHERE role = 'adult'",
    "more than all": "UPDATE members_poolmembership SET share_pct = 101 WHERE left_at IS NULL",
    "shared anew": "UPDATE members_poolmembership SET shared_through = shared_through - 1",
    "left without a word": (
        "UPDATE members_poolmembership SET left_at = now() WHERE left_at IS NULL"
    ),
    "a membership deleted": "DELETE FROM members_poolmembership",
    "a pool in a pool": (
        "INSERT INTO members_poolmembership (pool_id, member_id, role, share_pct, joined_at,"
        " ending, shared_through, shared_at) SELECT id, holder_id, 'adult', 0, now(), '', 0, now()"
        " FROM members_pool"
    ),
    "in two pools": (
        "INSERT INTO members_poolmembership (pool_id, member_id, role, share_pct, joined_at,"
        " ending, shared_through, shared_at) SELECT p.id, "
        + _OWNER
        + ", 'adult', 0, now(), '', 0, now()"
        " FROM members_pool p"
    ),
    "an invitation of an owner": "UPDATE members_poolinvite SET role = 'owner'",
}
# Broken integrity; the site's role has no right to some strokes at all.
REFUSALS = ("23", "42")
HONEST = {
    "out of the pool to who gave it": _POST.format(giver="p.holder_id", taker=_OWNER),
    "another share": "UPDATE members_poolmembership SET share_pct = 40 WHERE left_at IS NULL",
    "a name": "UPDATE members_pool SET name = 'At home'",
}


@pytest.fixture(params=["site", "owner"])
def attacker(request: pytest.FixtureRequest, database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as each of the roles, to a program with a pool of two."""
    make_program()
    Program.objects.update(pools={"household": TERMS})
    members = [make_member(f"601100000{number}") for number in (1, 2, 3, 4)]
    for member in members:
        earn(member, 100)
    owner = members[0].pk
    pools.found(member_id=owner, kind="household", name="", actor="test", moment=THEN)
    for member in members[1:3]:
        _row, code = pools.invite(member_id=owner, role="adult", actor="test", moment=THEN)
        pools.join(member_id=member.pk, code=code, actor="test", moment=THEN)
    pool_points.contribute(member_id=owner, points=50, ref="1", actor="test", moment=THEN)
    pool_ends.leave(member_id=members[2].pk, actor="test", moment=THEN + DAY)
    with psycopg.connect(database_urls[request.param], autocommit=True) as connection:
        yield connection


def _state() -> list[object]:
    return [
        *Pool.objects.order_by("pk").values_list(),
        *PoolMembership.objects.order_by("pk").values_list(),
        *Member.objects.order_by("pk").values_list("status", "first_name"),
    ]


def _refused_with(attacker: Connection, sql: str) -> str:
    try:
        attacker.execute(sql.encode())
    except psycopg.Error as refusal:
        return refusal.sqlstate or ""
    return "accepted"


def test_no_attack_on_a_pool_succeeds(attacker: Connection) -> None:
    before = _state()
    states = {name: _refused_with(attacker, sql) for name, sql in ATTACKS.items()}

    assert {name: state for name, state in states.items() if state[:2] not in REFUSALS} == {}
    assert _state() == before


def test_control_the_same_strokes_made_honestly_are_accepted(attacker: Connection) -> None:
    for sql in HONEST.values():
        assert attacker.execute(sql.encode()).rowcount > 0
