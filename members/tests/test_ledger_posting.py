"""The worked examples of docs/ledger.md, figure by figure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from django.db import connection

from members.models import LedgerTransaction, LotUse
from members.services import ledger as services
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar
from members.tests.invariants import prove_whole_ledger


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site, and prove the books at the end."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        yield connection
        prove_whole_ledger(connection)


@pytest.fixture
def books(site: Connection) -> Books:
    """Write a program."""
    return ledger.open_books(site, grace_days=30)


@pytest.fixture
def holder(site: Connection, books: Books) -> Holder:
    """Enroll a member."""
    return ledger.enroll(site, books)


def _lots(site: Connection, holder: Holder) -> list[tuple[int, int, datetime | None]]:
    rows = site.execute(
        b"SELECT points, remaining, expires_at FROM members_pointlot"
        b" WHERE account_id IN (%s, %s) ORDER BY id",
        (holder.available, holder.pending),
    )
    return rows.fetchall()


def _dated(site: Connection, transaction: int) -> datetime:
    at: datetime = scalar(
        site, "SELECT occurred_at FROM members_ledgertransaction WHERE id = %s", transaction
    )
    return at


def test_debit_takes_the_lot_that_ends_first(
    site: Connection, books: Books, holder: Holder
) -> None:
    ledger.earn(site, books, holder, 100)
    ledger.earn(site, books, holder, 50, expires_at=NOON + 60 * DAY)
    ledger.earn(site, books, holder, 30, expires_at=NOON + 20 * DAY)

    ledger.debit(site, books, holder, 60)

    assert [left for _points, left, _end in _lots(site, holder)] == [100, 20, 0]
    assert ledger.balances(site, holder)["available"] == 120


def test_pending_points_become_available_at_their_instant(
    site: Connection, books: Books, holder: Holder
) -> None:
    ledger.earn(site, books, holder, 40, available_at=NOON + 14 * DAY)

    assert ledger.settle(site, holder, moment=NOON + 14 * DAY - DAY / 86400) == 0
    assert ledger.settle(site, holder, moment=NOON + 20 * DAY) == 1

    activation = scalar(site, "SELECT max(id) FROM members_ledgertransaction")
    assert _dated(site, activation) == NOON + 14 * DAY
    assert ledger.balances(site, holder) == {"available": 40, "pending": 0, "held": 0, "debt": 0}


def test_cancelled_redemption_goes_back_to_its_lots_or_gets_grace(
    site: Connection, books: Books, holder: Holder
) -> None:
    ledger.earn(site, books, holder, 30, expires_at=NOON + 5 * DAY)
    ledger.earn(site, books, holder, 100, expires_at=NOON + 90 * DAY)
    redeemed = ledger.debit(site, books, holder, 50)

    ledger.give_back(site, redeemed, at=NOON + 10 * DAY)

    grace_ends_at = (NOON + 41 * DAY).replace(hour=0)
    assert _lots(site, holder) == [
        (30, 0, NOON + 5 * DAY),
        (100, 100, NOON + 90 * DAY),
        (30, 30, grace_ends_at),
    ]


def test_lapsed_hold_is_released_at_its_instant_by_whoever_comes_first(
    site: Connection, books: Books, holder: Holder
) -> None:
    ledger.earn(site, books, holder, 100)
    hold = ledger.debit(site, books, holder, 70, kind="hold", hold_expires_at=NOON + DAY)

    assert ledger.settle(site, holder, moment=NOON + 3 * DAY) == 1

    release = scalar(site, "SELECT id FROM members_ledgertransaction WHERE resolves_id = %s", hold)
    assert _dated(site, release) == NOON + DAY
    with pytest.raises(psycopg.errors.UniqueViolation):
        ledger.capture(site, hold, at=NOON + 3 * DAY)


def test_held_points_do_not_expire_while_they_are_held(
    site: Connection, books: Books, holder: Holder
) -> None:
    ledger.earn(site, books, holder, 100, expires_at=NOON + 2 * DAY)
    hold = ledger.debit(site, books, holder, 60, kind="hold", hold_expires_at=NOON + 5 * DAY)

    ledger.settle(site, holder, moment=NOON + 3 * DAY)
    ledger.capture(site, hold, at=NOON + 4 * DAY)

    assert ledger.balances(site, holder) == {"available": 0, "pending": 0, "held": 0, "debt": 0}
    expired = "SELECT sum(points) FROM members_ledgerentry WHERE account_id = %s"
    assert scalar(site, expired, books.expired) == 40


def _fall_into_debt(site: Connection, books: Books, holder: Holder, *, at: datetime) -> None:
    """Spend 80 points of an earn of 100, then take the earn back."""
    earned = ledger.earn(site, books, holder, 100)
    ledger.debit(site, books, holder, 80)
    lot = scalar(site, "SELECT max(id) FROM members_pointlot")
    document = {
        "headers": [ledger.header(books, holder, "clawback", reverses=earned, occurred_at=at)],
        "lots": [],
        "uses": [{"h": 0, "lot": lot, "points": 20, "kind": "clawback"}],
        "entries": [
            {"h": 0, "account": holder.available, "points": -20},
            {"h": 0, "account": holder.debt, "points": -80},
            {"h": 0, "account": books.issued, "points": 100},
        ],
    }
    ledger.post(site, books, document, moment=at)


def test_activation_pays_debt_first_and_the_lot_keeps_its_points(
    site: Connection, books: Books, holder: Holder
) -> None:
    _fall_into_debt(site, books, holder, at=NOON)
    ledger.earn(site, books, holder, 120, available_at=NOON + 7 * DAY)

    ledger.settle(site, holder, moment=NOON + 7 * DAY)

    assert ledger.balances(site, holder) == {"available": 40, "pending": 0, "held": 0, "debt": 0}
    assert [lot[:2] for lot in _lots(site, holder)] == [(100, 0), (120, 0), (120, 40)]


def test_debt_is_paid_no_earlier_than_it_was_made(
    site: Connection, books: Books, holder: Holder
) -> None:
    _fall_into_debt(site, books, holder, at=NOON + 10 * DAY)
    # Told late: it was due before the debt was made.
    document = {
        "headers": [ledger.header(books, holder, "earn")],
        "lots": [
            {
                **{"h": 0, "account": holder.pending, "points": 50, "earned_at": NOON},
                **{"available_at": NOON + 3 * DAY, "expires_at": NOON + 40 * DAY},
            }
        ],
        "uses": [],
        "entries": [
            {"h": 0, "account": holder.pending, "points": 50},
            {"h": 0, "account": books.issued, "points": -50},
        ],
    }
    ledger.post(site, books, document, moment=NOON + 11 * DAY)

    ledger.settle(site, holder, moment=NOON + 12 * DAY)

    activation = scalar(site, "SELECT max(id) FROM members_ledgertransaction")
    assert _dated(site, activation) == NOON + 10 * DAY
    assert ledger.balances(site, holder)["debt"] == -30


def test_debit_told_late_is_dated_after_points_were_given_back(
    site: Connection, books: Books, holder: Holder
) -> None:
    ledger.earn(site, books, holder, 100)
    redeemed = ledger.debit(site, books, holder, 100, at=NOON + 5 * DAY)
    ledger.give_back(site, redeemed, at=NOON + 9 * DAY)

    late = ledger.debit(site, books, holder, 100, at=NOON + 7 * DAY)

    assert _dated(site, late) == NOON + 9 * DAY


def test_reference_made_of_digits_alone_is_no_telephone_number(
    site: Connection, books: Books, holder: Holder
) -> None:
    digits = "12345678-1234-4123-8123-123456789012"
    document = {
        "headers": [ledger.header(books, holder, "earn", currency=books.status, ref=digits)],
        "lots": [],
        "uses": [],
        "entries": [
            {"h": 0, "account": holder.status, "points": 5},
            {"h": 0, "account": books.status_issued, "points": -5},
        ],
    }

    assert ledger.post(site, books, document)


@pytest.fixture
def django_site(site: Connection, books: Books, holder: Holder) -> Iterator[Holder]:
    """Give a member of the database that Django is connected to."""
    yield holder
    connection.close()


def test_services_post_what_the_functions_post(
    site: Connection, books: Books, django_site: Holder
) -> None:
    holder = django_site
    now: dict[str, Any] = {"occurred_at": NOON, "recorded_at": NOON}
    posting = services.Posting(
        headers=[
            services.Header(
                member_id=holder.member,
                currency_id=books.points,
                type=LedgerTransaction.Type.EARN,
                source="test",
                external_ref="p-1",
                actor="till",
                occurred_at=NOON,
            )
        ],
        lots=[
            services.NewLot(
                header=0,
                account_id=holder.available,
                points=100,
                earned_at=NOON,
                available_at=NOON,
                expires_at=None,
            )
        ],
        uses=[services.Use(header=0, points=30, kind=LotUse.Kind.DEBT, new_lot=0)],
        entries=[
            services.Entry(header=0, account_id=books.issued, points=-100),
            services.Entry(header=0, account_id=holder.available, points=70),
            services.Entry(header=0, account_id=holder.debt, points=30),
        ],
    )
    ledger.post(site, books, _a_debt(books, holder))

    [earned] = services.post(program_id=books.program, posting=posting, recorded_at=NOON)
    services.lock(member_ids=[holder.member])
    wanted = services.Debit(
        member_id=holder.member,
        currency_id=books.points,
        points=40,
        type="hold",
        external_ref="r-1",
        actor="till",
        hold_expires_at=NOON + DAY,
    )
    hold = services.debit(wanted=wanted, **now)
    captured = services.capture(hold_id=hold, actor="till", **now)
    given = services.give_back(
        original_id=captured,
        source="redemption",
        external_ref="r-1",
        actor="till",
        reason_code="cancelled",
        **now,
    )
    settled = services.settle_due(
        member_ids=[holder.member], moment=NOON, recorded_at=NOON, actor="till"
    )

    assert earned < hold < captured < given
    assert settled == 0
    assert ledger.balances(site, holder) == {"available": 70, "pending": 0, "held": 0, "debt": 0}


def _a_debt(books: Books, holder: Holder) -> dict[str, Any]:
    return {
        "headers": [ledger.header(books, holder, "adjust_debit")],
        "lots": [],
        "uses": [],
        "entries": [
            {"h": 0, "account": holder.debt, "points": -30},
            {"h": 0, "account": books.adjusted, "points": 30},
        ],
    }
