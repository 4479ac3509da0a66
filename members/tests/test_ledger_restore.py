"""A dump restores with all its rules, and what was closed before stays closed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import SERVER
from loyalty_site.database import OWNER
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Connection, scalar
from members.tests.invariants import prove_whole_ledger

TABLES = (
    "members_ledgeraccount",
    "members_ledgertransaction",
    "members_ledgerentry",
    "members_ledgerhold",
    "members_pointlot",
    "members_lotuse",
)


@pytest.fixture
def restored(committed_database: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Write books, dump them, and restore them elsewhere; gives the logins of the copy."""
    urls = SERVER.urls(committed_database)
    with psycopg.connect(urls["site"], autocommit=True) as site:
        _write_books(site)
    name = SERVER.next_name()
    dump = tmp_path / "books.dump"
    with psycopg.connect(urls["superuser"], autocommit=True) as superuser:
        superuser.execute(f'CREATE DATABASE "{name}" OWNER {OWNER} TEMPLATE template0'.encode())
    _run("pg_dump", "--format=custom", f"--file={dump}", urls["superuser"])
    _run("pg_restore", "--exit-on-error", f"--dbname={SERVER.urls(name)['superuser']}", str(dump))
    yield SERVER.urls(name)
    SERVER.drop(name)


def _write_books(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100, expires_at=NOON + 90 * DAY)
    ledger.earn(site, books, holder, 50, available_at=NOON + 14 * DAY)
    ledger.debit(site, books, holder, 10, kind="hold", hold_expires_at=NOON + DAY)
    ledger.give_back(site, ledger.debit(site, books, holder, 20))


def _run(program: str, *arguments: str) -> None:
    finished = subprocess.run(
        [SERVER.server.binaries / program, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def test_restored_books_are_the_same_and_go_on(
    restored: dict[str, str], database_urls: dict[str, str]
) -> None:
    rows = []
    for url in (database_urls["superuser"], restored["superuser"]):
        with psycopg.connect(url) as connection:
            rows.append(
                [
                    scalar(connection, f"SELECT array_agg(t::text ORDER BY t::text) FROM {n} t")
                    for n in TABLES
                ]
            )

    assert rows[0] == rows[1]

    with psycopg.connect(restored["owner"], autocommit=True) as owner:
        assert scalar(owner, "SELECT ledger_new_epoch()") == 2
    with psycopg.connect(restored["site"], autocommit=True) as site:
        prove_whole_ledger(site)
        member = scalar(site, "SELECT id FROM members_member")
        settled = "SELECT ledger_settle_due(ARRAY[%s]::bigint[], %s, %s, 'test')"
        assert scalar(site, settled, member, NOON + 20 * DAY, NOON) == 2
        assert scalar(site, "SELECT max(epoch) FROM members_ledgertransaction") == 2
        prove_whole_ledger(site)


@pytest.mark.parametrize(
    "late",
    [
        "INSERT INTO members_ledgerentry (transaction_id, line, account_id, program_id,"
        " currency_id, points) SELECT transaction_id, line + 10, account_id, program_id,"
        " currency_id, points FROM members_ledgerentry WHERE transaction_id = 1",
        "INSERT INTO members_pointlot (transaction_id, account_id, points, remaining, earned_at,"
        " available_at) SELECT transaction_id, account_id, 9, 9, earned_at + interval '1 day',"
        " available_at FROM members_pointlot WHERE transaction_id = 1",
        "INSERT INTO members_lotuse (transaction_id, lot_id, kind, points)"
        " SELECT transaction_id, id, 'debt', 1 FROM members_pointlot WHERE transaction_id = 1",
    ],
)
def test_old_header_is_closed_though_its_transaction_id_comes_again(
    late: str, restored: dict[str, str]
) -> None:
    with psycopg.connect(restored["owner"], autocommit=True) as owner:
        owner.execute(b"SELECT ledger_new_epoch()")

    with psycopg.connect(restored["superuser"]) as superuser:
        superuser.execute(b"SET session_replication_role = replica")
        superuser.execute(
            b"UPDATE members_ledgertransaction SET xid = pg_current_xact_id() WHERE id = 1"
        )
        superuser.execute(b"SET session_replication_role = origin")
        with pytest.raises(psycopg.errors.CheckViolation):
            superuser.execute(late.encode())
