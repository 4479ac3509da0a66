"""Holds captured in part, and redemptions given back in parts, figure by figure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SERVER
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar
from members.tests.invariants import prove_whole_ledger

SOON, LATER = NOON + 5 * DAY, NOON + 90 * DAY


@pytest.fixture(scope="module")
def site(django_db_setup: None) -> Iterator[Connection]:
    """Log in as the site to a database of these tests, and prove the books at the end."""
    name = SERVER.next_name()
    SERVER.clone(name)
    with psycopg.connect(SERVER.urls(name)["site"], autocommit=True) as connection:
        yield connection
        prove_whole_ledger(connection)
    SERVER.drop(name)


@pytest.fixture(scope="module")
def books(site: Connection) -> Books:
    """Write a program."""
    return ledger.open_books(site, grace_days=30)


@pytest.fixture
def holder(site: Connection, books: Books) -> Holder:
    """Enroll a member with 30 points that end soon, 20 that end later and 50 that never do."""
    member = ledger.enroll(site, books)
    for points, ends in ((30, SOON), (20, LATER), (50, None)):
        ledger.earn(site, books, member, points, expires_at=ends)
    return member


def lots(site: Connection, holder: Holder) -> list[tuple[int, datetime | None]]:
    """Return what remains, by its end, of the member's available lots."""
    rows = site.execute(
        b"SELECT remaining, expires_at FROM members_pointlot WHERE account_id = %s"
        b" AND remaining > 0 ORDER BY expires_at, id",
        (holder.available,),
    )
    return rows.fetchall()


def held(site: Connection, books: Books, holder: Holder, points: int) -> int:
    """Hold points; return the transaction."""
    return ledger.debit(site, books, holder, points, kind="hold", hold_expires_at=NOON + 10 * DAY)


def capture(site: Connection, hold: int, points: int, *, at: datetime = NOON) -> int:
    """Capture a part of a hold; return the transaction."""
    posted: int = scalar(
        site, "SELECT ledger_capture(%s, 'test', %s, %s, %s)", hold, at, at, points
    )
    return posted


def give_back(
    site: Connection, original: int, points: int, ref: str, *, at: datetime = NOON
) -> int:
    """Give a part of a redemption back; return the transaction."""
    posted: int = scalar(
        site,
        "SELECT ledger_give_back(%s, 'return', %s, 'test', %s, %s, 'returned', %s)",
        *(original, f"{original}-{ref}", at, at, points),
    )
    return posted


@pytest.mark.parametrize(
    ("_case", "captured", "left"),
    [
        ("all", 60, [(40, None)]),
        ("all but one", 59, [(41, None)]),
        ("what ends last comes back first", 45, [(5, LATER), (50, None)]),
        ("to the middle of a lot", 31, [(19, LATER), (50, None)]),
        ("one point", 1, [(29, SOON), (20, LATER), (50, None)]),
    ],
)
def test_a_hold_is_captured_in_part_as_if_less_had_been_redeemed(
    site: Connection,
    books: Books,
    holder: Holder,
    _case: str,
    captured: int,
    left: list[tuple[int, datetime | None]],
) -> None:
    hold = held(site, books, holder, 60)

    capture(site, hold, captured)

    assert lots(site, holder) == left
    assert ledger.balances(site, holder) == {
        "available": 100 - captured,
        "pending": 0,
        "held": 0,
        "debt": 0,
    }


def test_what_a_capture_leaves_over_gets_grace_where_its_lot_has_ended(
    site: Connection, books: Books, holder: Holder
) -> None:
    hold = held(site, books, holder, 30)

    capture(site, hold, 10, at=NOON + 7 * DAY)

    # Held points do not end while they are held: 20 come back, for thirty days to their end.
    grace = scalar(site, "SELECT ledger_grace_end(%s, %s)", books.points, NOON + 7 * DAY)
    assert lots(site, holder) == [(20, grace), (20, LATER), (50, None)]


def test_what_a_capture_leaves_over_pays_a_debt_first(site: Connection, books: Books) -> None:
    owing = ledger.enroll(site, books)
    earned = ledger.earn(site, books, owing, 50)
    hold = held(site, books, owing, 50)
    claw = ledger.header(books, owing, "clawback", reverses=earned)
    legs = [(owing.debt, -15), (books.issued, 15)]
    entries = [{"h": 0, "account": account, "points": points} for account, points in legs]
    ledger.post(site, books, {"headers": [claw], "lots": [], "uses": [], "entries": entries})

    capture(site, hold, 30)

    assert ledger.balances(site, owing) == {"available": 5, "pending": 0, "held": 0, "debt": 0}


def test_a_captured_part_can_be_given_back_and_no_more_than_it(
    site: Connection, books: Books, holder: Holder
) -> None:
    hold = held(site, books, holder, 60)
    paid = capture(site, hold, 45)

    give_back(site, paid, 20, "first")
    assert lots(site, holder) == [(5, SOON), (20, LATER), (50, None)]
    with pytest.raises(psycopg.errors.CheckViolation):
        give_back(site, paid, 26, "too much")
    ledger.give_back(site, paid)

    assert lots(site, holder) == [(30, SOON), (20, LATER), (50, None)]
    with pytest.raises(psycopg.errors.CheckViolation):
        ledger.give_back(site, paid)


def test_a_part_given_back_late_gets_grace_only_where_its_lot_has_ended(
    site: Connection, books: Books, holder: Holder
) -> None:
    paid = ledger.debit(site, books, holder, 50)
    late = NOON + 10 * DAY

    give_back(site, paid, 25, "first", at=late)
    give_back(site, paid, 25, "second", at=late + DAY)

    first, second = (
        scalar(site, "SELECT ledger_grace_end(%s, %s)", books.points, at)
        for at in (late, late + DAY)
    )
    assert lots(site, holder) == [(5, first), (25, second), (20, LATER), (50, None)]


@settings(max_examples=30, deadline=None)
@given(
    points=st.integers(1, 100),
    share=st.integers(1, 100),
    parts=st.lists(st.integers(1, 40), max_size=6),
    late=st.booleans(),
)
def test_any_parts_together_give_back_exactly_what_was_taken(
    site: Connection, books: Books, points: int, share: int, parts: list[int], late: bool
) -> None:
    member = ledger.enroll(site, books)
    for amount, ends in ((30, SOON), (20, LATER), (50, None)):
        ledger.earn(site, books, member, amount, expires_at=ends)
    at = NOON + 8 * DAY if late else NOON
    captured = max(points * share // 100, 1)
    paid = capture(site, held(site, books, member, points), captured, at=at)
    left = captured
    for number, part in enumerate(parts):
        if part <= left:
            give_back(site, paid, part, str(number), at=at)
            left -= part
    if left:
        ledger.give_back(site, paid, at=at)

    balance = ledger.balances(site, member)
    assert (balance["available"], balance["held"]) == (100, 0)
    assert sum(remaining for remaining, _ in lots(site, member)) == 100
    if not late:
        assert lots(site, member) == [(30, SOON), (20, LATER), (50, None)]
