"""Members are told of points that end, once for each notice, and never of points that are gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from members.models import Message
from members.services import delivery, jobs, notices
from members.tests import books as ledger
from members.tests.books import DAY, Connection

EARNED = datetime(2026, 1, 1, 12, tzinfo=UTC)
# The first instant after 31 May.
END = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        yield connection


def run(moment: datetime) -> int:
    outcome = jobs.run(notices.TELL_OF_ENDS, moment=moment)
    assert outcome.failure == ""
    return outcome.done


def told(site: Connection) -> list[tuple[int, int]]:
    """Return the notices so far: which of them, and of how many points."""
    rows = site.execute(
        b"SELECT (payload ->> 'days')::int, (payload ->> 'points')::int"
        b" FROM members_outboxevent WHERE kind = 'points_expiring' ORDER BY id"
    )
    return rows.fetchall()


@pytest.mark.parametrize("runs", [1, 2])
def test_each_notice_is_given_once_on_its_day(runs: int, site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100, at=EARNED, expires_at=END)
    expected: list[tuple[int, int]] = []

    for days_left in range(70, -1, -1):
        for _run in range(runs):
            # On the day that is so many days before the last one.
            run(END - DAY - days_left * DAY + timedelta(hours=9))
        if days_left in {60, 30, 7}:
            expected.append((days_left, 100))
        assert told(site) == expected
    run(END)
    assert told(site) == expected


def test_a_late_job_gives_only_the_nearest(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100, at=EARNED, expires_at=END)

    assert run(END - 20 * DAY) == 1
    assert run(END - 19 * DAY) == 0
    assert run(END - 2 * DAY) == 1

    assert told(site) == [(30, 100), (7, 100)]


def test_nothing_is_told_of_points_that_are_gone(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100, at=EARNED, expires_at=END)
    run(END - 60 * DAY)
    ledger.debit(site, books, holder, 100, at=END - 50 * DAY)

    assert run(END - 30 * DAY) == 0
    delivery.deliver_due(moment=END - 30 * DAY)

    assert told(site) == [(60, 100)]
    # The notice of before was told too late, and says nothing any more.
    assert Message.objects.count() == 0


def test_the_message_names_points_and_their_last_day(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100, at=EARNED, expires_at=END)
    ledger.earn(site, books, holder, 20, at=EARNED + DAY, expires_at=END)
    run(END - 30 * DAY)

    delivery.deliver_due(moment=END - 30 * DAY)

    message = Message.objects.get()
    assert message.title == "120 points will expire soon"
    assert message.body == "Their last day is May 31, 2026. Use them for a reward until then."


def test_points_that_come_within_a_notice_wait_for_the_next(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100, at=END - 20 * DAY, expires_at=END)

    assert run(END - 19 * DAY) == 0
    assert run(END - 7 * DAY) == 1
    assert told(site) == [(7, 100)]


@pytest.mark.parametrize(
    ("_case", "expiry", "expected"),
    [
        ("the default", {}, [(60, 100)]),
        ("others", {"notice_days": [45, 50]}, [(50, 100), (45, 100)]),
        ("none", {"notice_days": []}, []),
    ],
)
def test_the_currency_says_when(
    _case: str, expiry: dict[str, Any], expected: list[tuple[int, int]], site: Connection
) -> None:
    books = ledger.open_books(site)
    site.execute(
        b"UPDATE members_pointcurrency SET expiry = %s WHERE id = %s",
        (Jsonb(expiry), books.points),
    )
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100, at=EARNED, expires_at=END)

    run(END - 50 * DAY)
    run(END - 40 * DAY)

    assert told(site) == expected


def test_days_are_those_of_the_program(site: Connection) -> None:
    books = ledger.open_books(site, timezone="Pacific/Auckland")
    holder = ledger.enroll(site, books)
    # The first instant of 1 June in Auckland; 31 May is the last day there.
    end = datetime(2026, 5, 31, 12, tzinfo=UTC)
    ledger.earn(site, books, holder, 100, at=EARNED, expires_at=end)

    # 23 May in Auckland, eight days before the last; an hour later it is the 24th.
    assert run(datetime(2026, 5, 23, 11, 30, tzinfo=UTC)) == 1
    assert run(datetime(2026, 5, 23, 12, tzinfo=UTC)) == 1
    assert told(site) == [(30, 100), (7, 100)]


def test_renewed_points_are_told_of_before_their_new_end(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    document = {
        "headers": [ledger.header(books, holder, "earn", occurred_at=EARNED)],
        "lots": [
            {
                **{"h": 0, "account": holder.available, "points": 10, "earned_at": EARNED},
                **{"available_at": EARNED, "expires_at": END, "renew_months": 6},
            }
        ],
        "uses": [],
        "entries": [
            {"h": 0, "account": books.issued, "points": -10},
            {"h": 0, "account": holder.available, "points": 10},
        ],
    }
    ledger.post(site, books, document, moment=EARNED)
    run(END - 60 * DAY)
    site.execute(
        b"SELECT ledger_renew(jsonb_build_array(jsonb_build_object('account', %s::bigint, 'act',"
        b" 'purchase', 'at', %s::timestamptz)), %s)",
        (holder.available, END - 40 * DAY, END - 40 * DAY),
    )

    delivery.deliver_due(moment=END - 40 * DAY)
    assert run(END - 30 * DAY) == 0
    assert Message.objects.count() == 0
    assert run(datetime(2026, 10, 1, tzinfo=UTC)) == 1
    assert told(site) == [(60, 10), (30, 10)]
