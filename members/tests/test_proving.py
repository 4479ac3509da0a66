"""What a superuser rewrites is found by the proof, with its place; what nobody did is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command

from members import merkle
from members.models import LedgerCheckpoint, LedgerSeal
from members.services import checkpoints, proving, reconciliation
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Connection, scalar
from members.tests.test_sealing import post_many, seal

pytestmark = pytest.mark.ledger

Tampering = Callable[[Connection], Any]


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site, to books with 12 seals in four checkpoints, and 700 seals more."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        books = ledger.open_books(connection)
        holder = ledger.enroll(connection, books)
        for _ in range(4):
            earned = ledger.earn(connection, books, holder, 100, expires_at=NOON + 90 * DAY)
            ledger.debit(connection, books, holder, 10)
            ledger.debit(connection, books, holder, 5)
            assert earned
            seal()
        post_many(connection, books, holder, 700)
        seal()
        yield connection


@pytest.fixture
def superuser(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as who can do everything to the rows, triggers off."""
    with psycopg.connect(database_urls["superuser"], autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        yield connection


def differences(**options: Any) -> dict[str, int | None]:
    """Return the place of the first difference of each invariant of the proof that is broken."""
    return {
        finding.name: finding.rows[0]["sequence"]
        for finding in reconciliation.verify(**options).findings
        if finding.differences and finding.name in proving.INVARIANTS
    }


def rechain(x: Connection) -> None:
    """Make all hashes anew over what the books say now, and sign nothing."""
    rows = x.execute(
        b"SELECT s.sequence, sha256('\\x00'::bytea || convert_to(f.body, 'UTF8'))"
        b" FROM members_ledgerseal s CROSS JOIN LATERAL"
        b" ledger_leaves(s.transaction_id, s.transaction_id) f ORDER BY 1"
    ).fetchall()
    chain, tree = sha256().digest(), merkle.Tree()
    x.execute(b"DELETE FROM members_ledgernode")
    for sequence, leaf in rows:
        chain = sha256(chain + leaf).digest()
        x.execute(
            b"UPDATE members_ledgerseal SET leaf_hash = %s, chain_hash = %s WHERE sequence = %s",
            (leaf, chain, sequence),
        )
        for height, part in list(enumerate(tree.add(leaf)))[8:]:
            x.execute(
                b"INSERT INTO members_ledgernode (height, position, hash) VALUES (%s, %s, %s)",
                (height, (sequence >> height) - 1, part),
            )
        x.execute(
            b"UPDATE members_ledgercheckpoint SET root = %s, chain_head = %s WHERE tree_size = %s",
            (tree.root(), chain, sequence),
        )


def sql(statement: str) -> Tampering:
    return lambda x: x.execute(statement.encode())


def at(sequence: int) -> str:
    return f"(SELECT transaction_id FROM members_ledgerseal WHERE sequence = {sequence})"


def both(*acts: Tampering) -> Tampering:
    def act(x: Connection) -> None:
        for each in acts:
            each(x)

    return act


RAISED = sql("UPDATE members_ledgerentry SET points = points * 2 WHERE transaction_id = " + at(5))
INSERTED = sql(
    "INSERT INTO members_ledgertransaction (public_id, program_id, currency_id, member_id, type,"
    " source, external_ref, actor, occurred_at, recorded_at, reason_code, xid, epoch)"
    " SELECT gen_random_uuid(), program_id, currency_id, member_id, type, source, 'new', actor,"
    " occurred_at, recorded_at, reason_code, xid, epoch FROM members_ledgertransaction"
    " WHERE id = " + at(5)
)
CUT = both(
    sql("DELETE FROM members_ledgercheckpoint WHERE tree_size > 9"),
    sql("DELETE FROM members_ledgernode"),
    sql("DELETE FROM members_ledgertransaction WHERE id IN (SELECT transaction_id"
        " FROM members_ledgerseal WHERE sequence > 9)"),
    sql("DELETE FROM members_ledgerseal WHERE sequence > 9"),
)  # fmt: skip
TAMPERINGS: list[tuple[str, Tampering, dict[str, int | None]]] = [
    ("points raised", RAISED, {"seals_match": 5}),
    (
        "an instant changed",
        sql("UPDATE members_ledgertransaction SET occurred_at = occurred_at - interval '1 us'"
            " WHERE id = " + at(7)),
        {"seals_match": 7},
    ),
    (
        "an actor changed",
        sql("UPDATE members_ledgertransaction SET actor = 'client:other' WHERE id = " + at(2)),
        {"seals_match": 2},
    ),
    (
        "a lot prolonged",
        sql("UPDATE members_pointlot SET expires_at = expires_at + interval '1 day'"
            " WHERE transaction_id = " + at(4)),
        {"seals_match": 4},
    ),
    (
        "a use changed",
        sql("UPDATE members_lotuse SET points = 1 WHERE transaction_id = " + at(8)),
        {"seals_match": 8},
    ),
    (
        "a use of another lot",
        sql("UPDATE members_lotuse SET lot_id = (SELECT max(id) FROM members_pointlot)"
            " WHERE transaction_id = " + at(3)),
        {"seals_match": 3},
    ),
    (
        "an account given to nobody",
        sql("UPDATE members_ledgeraccount SET member_id = NULL, kind = 'lost' WHERE id ="
            " (SELECT account_id FROM members_pointlot ORDER BY id LIMIT 1)"),
        {"seals_match": 1},
    ),
    (
        "an entry deleted",
        sql("DELETE FROM members_ledgerentry WHERE line = 2 AND transaction_id = " + at(6)),
        {"seals_match": 6},
    ),
    (
        "a transaction deleted",
        sql("DELETE FROM members_ledgertransaction WHERE id = " + at(10)),
        {"seals_match": 10},
    ),
    ("a transaction inserted before", INSERTED, {"seals_complete": 6}),
    (
        "an entry inserted",
        sql("INSERT INTO members_ledgerentry (transaction_id, line, account_id, program_id,"
            " currency_id, points) SELECT transaction_id, 3, account_id, program_id, currency_id,"
            " 1 FROM members_ledgerentry WHERE line = 1 AND transaction_id = " + at(11)),
        {"seals_match": 11},
    ),
    (
        "a seal deleted",
        sql("DELETE FROM members_ledgerseal WHERE sequence = 5"),
        {"seals_complete": 6, "seals_chained": 5, "checkpoints": 5},
    ),
    (
        "a leaf hash changed with its row",
        both(RAISED, sql(
            "UPDATE members_ledgerseal s SET leaf_hash = sha256('\\x00'::bytea"
            " || convert_to((SELECT body FROM ledger_leaves(s.transaction_id, s.transaction_id)),"
            " 'UTF8')) WHERE sequence = 5")),
        {"seals_chained": 5, "tree_nodes": 256, "checkpoints": 5},
    ),
    (
        "a node changed",
        sql("UPDATE members_ledgernode SET hash = sha256(hash) WHERE height = 8 AND position = 1"),
        {"tree_nodes": 512},
    ),
    (
        "a signature changed",
        sql("UPDATE members_ledgercheckpoint SET signature = decode(repeat('00', 64), 'hex')"
            " WHERE tree_size = 6"),
        {"checkpoints": 6},
    ),
    ("the tail cut off", CUT, {"checkpoints": 10}),
    ("all made anew over what was changed", both(RAISED, rechain), {"checkpoints": 5}),
    (
        "all made anew, and the checkpoints of the database deleted",
        both(RAISED, rechain, sql("DELETE FROM members_ledgercheckpoint")),
        {"checkpoints": 5},
    ),
]  # fmt: skip


def test_sound_history_is_proved(site: Connection) -> None:
    assert LedgerSeal.objects.count() == 712
    assert differences() == {}
    assert differences(since=5) == {}
    assert differences(since=700) == {}
    assert reconciliation.verify().is_proved


@pytest.mark.parametrize(
    ("_case", "tamper", "found"), TAMPERINGS, ids=[case for case, _, _ in TAMPERINGS]
)
def test_tampering_is_found_with_its_place(
    site: Connection,
    superuser: Connection,
    _case: str,
    tamper: Tampering,
    found: dict[str, int | None],
) -> None:
    tamper(superuser)

    assert differences() == found


def test_without_what_lies_outside_history_made_anew_is_not_found(
    site: Connection, superuser: Connection, settings: Any
) -> None:
    both(RAISED, rechain, sql("DELETE FROM members_ledgercheckpoint"))(superuser)
    outside = settings.CHECKPOINT_DIR
    settings.CHECKPOINT_DIR = outside / "elsewhere"

    assert differences() == {}

    settings.CHECKPOINT_DIR = outside
    assert differences() == {"checkpoints": 5}


def test_a_checkpoint_alone_tells_between_which_seals_it_was(
    site: Connection, superuser: Connection, settings: Any, tmp_path: Path
) -> None:
    whole = sorted(settings.CHECKPOINT_DIR.glob("*/*.json"))
    bare = []
    for path in whole[:2]:
        told = json.loads(path.read_text())
        del told["leaves"]
        bare.append(tmp_path / path.name)
        bare[-1].write_text(json.dumps(told))
    both(RAISED, rechain, sql("DELETE FROM members_ledgercheckpoint"))(superuser)

    findings = reconciliation.verify(checkpoints=bare).findings

    (found,) = (finding for finding in findings if finding.name == "checkpoints")
    assert (found.rows[0]["sequence"], found.rows[0]["between"]) == (4, [4, 6])


def test_files_that_are_no_checkpoints_or_of_another_key_are_found(
    site: Connection, settings: Any, tmp_path: Path
) -> None:
    path = min(settings.CHECKPOINT_DIR.glob("*/*.json"))
    signed = checkpoints.read(path)
    torn = tmp_path / "torn.json"
    torn.write_text(path.read_text()[:100])
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps({**signed.as_json(), "public_key": "00" * 32}))

    assert differences(checkpoints=[path]) == {}
    assert "checkpoints" in differences(checkpoints=[torn])
    assert differences(checkpoints=[forged]) == {"checkpoints": 3}


def test_the_command_names_the_first_bad_sequence_number(
    site: Connection, superuser: Connection, settings: Any
) -> None:
    path = max(settings.CHECKPOINT_DIR.glob("*/*.json"))
    both(RAISED, rechain)(superuser)
    told = StringIO()

    with pytest.raises(SystemExit):
        call_command("verify_ledger", "--checkpoint", str(path), "--since", "2", stdout=told)

    assert "FAIL  What was sealed says" not in told.getvalue()
    # The copy of the first checkpoint is as it was; the second one's was never signed so.
    assert '"sequence": 6' in told.getvalue()


def test_what_lies_before_since_is_held_to_its_checkpoint(
    site: Connection, superuser: Connection
) -> None:
    both(RAISED, rechain, sql("DELETE FROM members_ledgercheckpoint"))(superuser)

    assert differences(since=6) == {"checkpoints": 5}
    assert LedgerCheckpoint.objects.exists() is False
    assert scalar(site, "SELECT count(*) FROM members_ledgerseal") == 712
