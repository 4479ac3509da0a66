"""Transfers keep to the books, whoever writes their rows."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from members.models import Transfer
from members.services import transfer_ends, transfers
from members.tests.books import Connection
from members.tests.people import DAY, earn, make_member, make_program
from members.tests.test_transfers import THEN, allow, verify

# "waiting" has been requested, "gone" has completed; both are of 40 points, from the first member
# to the second.
ATTACKS = {
    "completed without moving": (
        "UPDATE members_transfer SET state = 'completed' WHERE state = 'requested'"
    ),
    "completed by another's movement": (
        "UPDATE members_transfer w SET state = 'completed', departure_id = g.departure_id,"
        " arrival_id = g.arrival_id FROM members_transfer g"
        " WHERE w.state = 'requested' AND g.state = 'completed'"
    ),
    "completed with its own hold as the movement": (
        "UPDATE members_transfer SET state = 'completed', departure_id = hold_id,"
        " arrival_id = hold_id WHERE state = 'requested'"
    ),
    "cancelled with the points still held": (
        "UPDATE members_transfer SET state = 'cancelled' WHERE state = 'requested'"
    ),
    "refused with the points still held": (
        "UPDATE members_transfer SET state = 'refused' WHERE state = 'requested'"
    ),
    "cancelled after it completed": (
        "UPDATE members_transfer SET state = 'cancelled', departure_id = NULL, arrival_id = NULL"
        " WHERE state = 'completed'"
    ),
    "opened again": (
        "UPDATE members_transfer SET state = 'requested', departure_id = NULL, arrival_id = NULL"
        " WHERE state = 'completed'"
    ),
    "more points": "UPDATE members_transfer SET points = 4000 WHERE state = 'requested'",
    "no fee": "UPDATE members_transfer SET fee = fee - 1 WHERE state = 'requested'",
    "another recipient": (
        "UPDATE members_transfer SET recipient_id = (SELECT max(id) FROM members_member)"
        " WHERE state = 'requested'"
    ),
    "another sender": (
        "UPDATE members_transfer SET sender_id = recipient_id WHERE state = 'requested'"
    ),
    "sooner": ("UPDATE members_transfer SET completes_at = requested_at WHERE state = 'requested'"),
    "another day for the cap": (
        "UPDATE members_transfer SET day = day - 1 WHERE state = 'requested'"
    ),
    "another's name": (
        "UPDATE members_transfer SET recipient_hint = 'Somebody' WHERE state = 'requested'"
    ),
    "a state of its own": "UPDATE members_transfer SET state = 'lost' WHERE state = 'requested'",
    "paused after its end": (
        "UPDATE members_transfer SET paused_at = now() WHERE state = 'completed'"
    ),
    "deleted": "DELETE FROM members_transfer",
    "a hold used for two": (
        "INSERT INTO members_transfer (public_id, program_id, currency_id, sender_id,"
        " recipient_id, recipient_hint, points, fee, state, reason, day, requested_at,"
        " completes_at, changed_at, changed_by, hold_id)"
        " SELECT gen_random_uuid(), program_id, currency_id, sender_id, recipient_id, '', points,"
        " fee, 'requested', '', day, requested_at, completes_at, changed_at, 'x', hold_id"
        " FROM members_transfer WHERE state = 'requested'"
    ),
    "a transfer without a hold": (
        "INSERT INTO members_transfer (public_id, program_id, currency_id, sender_id,"
        " recipient_id, recipient_hint, points, fee, state, reason, day, requested_at,"
        " completes_at, changed_at, changed_by, hold_id)"
        " SELECT gen_random_uuid(), program_id, currency_id, sender_id, recipient_id, '', points,"
        " fee, 'requested', '', day, requested_at, completes_at, changed_at, 'x', departure_id"
        " FROM members_transfer WHERE state = 'completed'"
    ),
}
# Broken integrity; the site's role has no right to some strokes at all.
REFUSALS = ("23", "42")
HONEST = {
    "a pause": "UPDATE members_transfer SET paused_at = now() WHERE state = 'requested'",
    "later": (
        "UPDATE members_transfer SET completes_at = completes_at + interval '1 day'"
        " WHERE state = 'requested'"
    ),
    "a hint forgotten": "UPDATE members_transfer SET recipient_hint = ''",
}


@pytest.fixture(params=["site", "owner"])
def attacker(request: pytest.FixtureRequest, database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as each of the roles, to a program with a transfer on its way and one that arrived."""
    make_program()
    allow(fee={"percent": "10", "fixed": 0, "rounding": "up"})
    members = [make_member(f"601100000{number}") for number in (1, 2, 3)]
    for member in members:
        verify(member)
    earn(members[0], 100)
    rows = [
        transfers.request(sender=members[0], to="6011000002", points=40, actor="test", moment=THEN)
        for _ in range(2)
    ]
    transfer_ends.complete(transfer_id=rows[0].pk, moment=THEN + DAY)
    with psycopg.connect(database_urls[request.param], autocommit=True) as connection:
        yield connection


def _refused_with(attacker: Connection, sql: str) -> str:
    try:
        attacker.execute(sql.encode())
    except psycopg.Error as refusal:
        return refusal.sqlstate or ""
    return "accepted"


def test_no_attack_on_a_transfer_succeeds(attacker: Connection) -> None:
    before = list(Transfer.objects.order_by("pk").values_list())
    states = {name: _refused_with(attacker, sql) for name, sql in ATTACKS.items()}

    assert {name: state for name, state in states.items() if state[:2] not in REFUSALS} == {}
    assert list(Transfer.objects.order_by("pk").values_list()) == before


def test_control_the_same_strokes_made_honestly_are_accepted(attacker: Connection) -> None:
    for sql in HONEST.values():
        assert attacker.execute(sql.encode()).rowcount > 0
