"""The proof of the books finds what is wrong with them, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import psycopg
import pytest
from django.core.management import call_command

from members.models import JobRun
from members.services import jobs, reconciliation
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Connection

pytestmark = pytest.mark.ledger

# What a superuser with the triggers off can do to the rows, and the check that sees it.
DAMAGES = [
    ("an entry changed", "UPDATE members_ledgerentry SET points = points + 1 WHERE id = 1",
     {"01_transactions_balance", "03_balances", "awards_are_posted"}),
    ("an entry deleted", "DELETE FROM members_ledgerentry WHERE id = 2",
     {"01_transactions_balance", "03_balances"}),
    ("entries deleted", "DELETE FROM members_ledgerentry WHERE transaction_id = 1",
     {"01_transactions_balance", "03_balances"}),
    ("a header deleted", "DELETE FROM members_ledgertransaction WHERE id = 1",
     {"01_transactions_balance"}),
    ("a type changed",
     "UPDATE members_ledgertransaction SET type = 'expire' WHERE id = 1",
     {"02_entries_of_their_type"}),
    ("a member changed",
     "UPDATE members_ledgertransaction SET member_id = (SELECT max(id) FROM members_member)"
     " WHERE id = 1",
     {"02_entries_of_their_type"}),
    ("a balance raised",
     "UPDATE members_ledgeraccount SET balance = balance + 5 WHERE kind = 'available'"
     " AND balance > 0",
     {"03_balances", "04_lots_equal_balances"}),
    ("a lot refilled", "UPDATE members_pointlot SET remaining = points",
     {"04_lots_equal_balances", "05_lots_less_uses"}),
    ("a lot use deleted", "DELETE FROM members_lotuse WHERE kind = 'redeem'",
     {"05_lots_less_uses"}),
    ("a hold closed", "UPDATE members_ledgerhold SET is_open = NOT is_open",
     {"06_holds"}),
    ("a hold deleted", "DELETE FROM members_ledgerhold", {"06_holds"}),
    ("a reversal pointed elsewhere",
     "UPDATE members_ledgertransaction SET reverses_id = (SELECT max(id) FROM"
     " members_ledgertransaction WHERE type = 'hold') WHERE reverses_id IS NOT NULL",
     {"07_reversals"}),
    ("a debt beside points",
     "UPDATE members_ledgeraccount SET balance = -5, floor = -9 WHERE kind = 'debt'",
     {"08_debt_is_paid_first", "03_balances"}),
]  # fmt: skip


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site, to books with a little of everything."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        books = ledger.open_books(connection)
        holder, _other = ledger.enroll(connection, books), ledger.enroll(connection, books)
        ledger.earn(connection, books, holder, 100, expires_at=NOON + 90 * DAY)
        ledger.earn(connection, books, holder, 40, available_at=NOON + 14 * DAY)
        for _hold in range(2):
            held = ledger.debit(
                connection, books, holder, 10, kind="hold", hold_expires_at=NOON + DAY
            )
        ledger.capture(connection, held)
        ledger.give_back(connection, ledger.debit(connection, books, holder, 5))
        ledger.debit(connection, books, holder, 6)
        yield connection


def test_sound_books_are_proved(site: Connection) -> None:
    report = reconciliation.verify()

    assert report.is_proved
    assert report.entries == 16
    assert {finding.differences for finding in report.findings} == {0}


def test_command_prints_what_was_proved_and_ends_well(site: Connection) -> None:
    told, machine = StringIO(), StringIO()

    call_command("verify_ledger", stdout=told)
    call_command("verify_ledger", "--json", stdout=machine)

    assert told.getvalue().endswith("16 entries, 0 differences\n")
    assert json.loads(machine.getvalue())["is_proved"] is True


def test_each_damage_is_found_and_named(site: Connection, database_urls: dict[str, str]) -> None:
    checks = reconciliation.checks()

    for case, damage, expected in DAMAGES:
        with psycopg.connect(database_urls["superuser"]) as connection:
            connection.execute(b"SET session_replication_role = replica")
            connection.execute(damage.encode())
            found = {
                check.name for check in checks if connection.execute(check.sql.encode()).rowcount
            }
            connection.rollback()

        assert found & expected, case


def test_command_and_job_tell_the_first_difference(
    site: Connection, database_urls: dict[str, str]
) -> None:
    with psycopg.connect(database_urls["superuser"], autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(
            b"UPDATE members_ledgeraccount SET balance = 1000 WHERE kind = 'held' AND balance > 0"
        )
    told = StringIO()

    with pytest.raises(SystemExit) as end:
        call_command("verify_ledger", stdout=told)
    outcome = jobs.run(reconciliation.VERIFY_LEDGER, moment=NOON)

    assert end.value.code == 1
    assert '"balance": 1000' in told.getvalue()
    assert outcome.failure == ("03_balances: 1 rows; 06_holds: 1 rows")
    assert JobRun.objects.get(name="verify_ledger").failure == outcome.failure
