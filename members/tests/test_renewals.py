"""Points that last as long as their member is active: what renews them, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection

from loyalty_site.lib import calendars
from members import lots
from members.lots import ExpiryPolicy
from members.queries.balances import balance_as_of, balance_now
from members.services import jobs, settling
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar
from members.tests.test_expiry_dates import INSTANT, LATE, ZONES, _changes

SIX = ExpiryPolicy(model="inactivity", months=6)


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection_:
        yield connection_


def earn(
    site: Connection, books: Books, holder: Holder, points: int, at: datetime, zone: str = "UTC"
) -> datetime:
    """Post points that six months without activity end; return their first end."""
    ends_at = lots.expires_at(SIX, at, ZoneInfo(zone))
    assert ends_at is not None
    lot = {
        **{"h": 0, "account": holder.available, "points": points, "earned_at": at},
        **{"available_at": at, "expires_at": ends_at, "renew_months": 6},
    }
    document = {
        "headers": [ledger.header(books, holder, "earn", occurred_at=at)],
        "lots": [lot],
        "uses": [],
        "entries": [
            {"h": 0, "account": books.issued, "points": -points},
            {"h": 0, "account": holder.available, "points": points},
        ],
    }
    ledger.post(site, books, document, moment=at)
    return ends_at


def act(site: Connection, holder: Holder, at: datetime, *, told_at: datetime | None = None) -> None:
    """Settle what is due and note an act of the member."""
    recorded_at = told_at or at
    with site.transaction():
        ledger.settle(site, holder, moment=recorded_at)
        site.execute(
            b"SELECT ledger_renew(jsonb_build_array(jsonb_build_object("
            b"'account', %s::bigint, 'act', 'purchase', 'at', %s::timestamptz)), %s)",
            (holder.available, at, recorded_at),
        )


def expired_at(site: Connection) -> list[datetime]:
    rows = site.execute(
        b"SELECT occurred_at FROM members_ledgertransaction WHERE type = 'expire' ORDER BY 1"
    )
    return [row[0] for row in rows]


def held(holder: Holder, at: datetime, known_at: datetime | None = None) -> tuple[int, list[Any]]:
    """Return what the member has available at the moment, and every date that it ends on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT public_id FROM members_member WHERE id = %s", [holder.member])
        (member,) = cursor.fetchone()
    if known_at:
        found = balance_as_of(member=member, as_of=at, known_at=known_at)
    else:
        found = balance_now(member=member, moment=at)
    assert found is not None
    return found.available, [tuple(each) for each in found.expiring]


@pytest.mark.parametrize("late", [timedelta(0), LATE])
@pytest.mark.parametrize("runs", [0, 1, 2])
def test_an_act_makes_all_points_last_and_the_job_ends_them_once(
    runs: int, late: timedelta, site: Connection
) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    earn(site, books, holder, 10, NOON)
    act(site, holder, NOON)
    earn(site, books, holder, 5, NOON + 100 * DAY)
    act(site, holder, NOON + 150 * DAY)
    ends_at = lots.end_of(
        lots.expires_at(SIX, NOON, ZoneInfo("UTC")),
        6,
        (NOON + 150 * DAY).date(),
        ZoneInfo("UTC"),
    )
    assert ends_at == datetime(2027, 1, 31, tzinfo=UTC)

    for moment in (NOON + 184 * DAY, ends_at - INSTANT):
        for _run in range(runs):
            jobs.run(settling.EXPIRE_POINTS, moment=moment + 0 * late)
        assert held(holder, moment) == (15, [(15, ends_at)])
        assert expired_at(site) == []
    assert held(holder, ends_at) == (0, [])
    for _run in range(runs):
        outcome = jobs.run(settling.EXPIRE_POINTS, moment=ends_at + late)
        assert outcome.failure == ""
    ledger.settle(site, holder, moment=ends_at + late)

    assert expired_at(site) == [ends_at]
    assert ledger.balances(site, holder)["available"] == 0


@pytest.mark.parametrize("name", ZONES)
def test_renewed_end_in_sql_is_that_of_python(name: str, site: Connection) -> None:
    books = ledger.open_books(site, timezone=name)
    zone = ZoneInfo(name)
    days = [
        *(
            calendars.add_months(day + timedelta(days=shift), -months)
            for day in _changes(zone)
            for shift in (-2, -1, 0, 1)
            for months in (1, 6, 12)
        ),
        *(date(2026, 1, 31), date(2026, 8, 31), date(2028, 2, 29), date(2027, 2, 28)),
    ]

    for day in days:
        for months in (1, 6, 12):
            in_sql = scalar(
                site, "SELECT ledger_renewed_end(%s, %s, %s)", books.program, day, months
            )
            in_python = lots.end_of(NOON - 9999 * DAY, months, day, zone)
            assert in_sql == in_python, (name, day, months)


@pytest.mark.parametrize("name", ZONES)
def test_renewed_points_last_through_their_last_day(name: str, site: Connection) -> None:
    books = ledger.open_books(site, timezone=name)
    zone = ZoneInfo(name)
    for day in _changes(zone):
        holder = ledger.enroll(site, books)
        acted_on = calendars.add_months(day, -6)
        acted_at = datetime.combine(acted_on, time(23, 59), zone).astimezone(UTC)
        earn(site, books, holder, 7, acted_at - 90 * DAY, name)
        act(site, holder, acted_at)
        last_day = calendars.add_months(acted_on, 6)
        ends_at = calendars.end_of_day(last_day, zone)

        with site.transaction(force_rollback=True):
            ledger.debit(site, books, holder, 7, at=ends_at - INSTANT)
        with site.transaction(force_rollback=True), pytest.raises(psycopg.errors.CheckViolation):
            ledger.debit(site, books, holder, 7, at=ends_at)
        assert calendars.local_day(ends_at - INSTANT, zone) == last_day


def test_points_are_taken_in_the_order_of_their_ends_not_of_what_their_rows_say(
    site: Connection,
) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    renewed_end = datetime(2027, 2, 1, tzinfo=UTC)
    earn(site, books, holder, 10, NOON)
    ledger.earn(site, books, holder, 20, at=NOON, expires_at=NOON + 250 * DAY)
    ledger.earn(site, books, holder, 40, at=NOON)
    act(site, holder, datetime(2026, 7, 31, 9, tzinfo=UTC))

    taken = site.execute(
        b"SELECT points, expires_at FROM ledger_take(%s, 35)", (holder.available,)
    ).fetchall()

    assert taken == [(20, NOON + 250 * DAY), (10, renewed_end), (5, None)]
    assert held(holder, NOON + 160 * DAY) == (70, [(20, NOON + 250 * DAY), (10, renewed_end)])


def test_the_past_knows_only_what_had_been_done_and_told_then(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    first_end = earn(site, books, holder, 10, NOON)
    act(site, holder, NOON + 100 * DAY, told_at=NOON + 110 * DAY)
    renewed_end = datetime(2026, 12, 11, tzinfo=UTC)
    later = NOON + 120 * DAY

    assert held(holder, NOON + 99 * DAY, known_at=later) == (10, [(10, first_end)])
    assert held(holder, NOON + 105 * DAY, known_at=later) == (10, [(10, renewed_end)])
    assert held(holder, NOON + 105 * DAY, known_at=NOON + 109 * DAY) == (10, [(10, first_end)])
    assert held(holder, NOON + 250 * DAY, known_at=NOON + 109 * DAY) == (0, [])
    assert held(holder, NOON + 250 * DAY, known_at=later) == (10, [(10, renewed_end)])


def test_what_had_ended_when_an_act_was_told_stays_ended(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ends_at = earn(site, books, holder, 10, NOON)

    act(site, holder, ends_at - DAY, told_at=ends_at + DAY)

    assert expired_at(site) == [ends_at]
    assert held(holder, ends_at + DAY) == (0, [])


def test_points_that_were_held_come_back_to_a_lot_that_was_renewed(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ends_at = earn(site, books, holder, 10, NOON)
    act(site, holder, NOON + 100 * DAY)
    hold = ledger.debit(
        site, books, holder, 10, kind="hold", at=ends_at - DAY, hold_expires_at=ends_at + DAY
    )

    ledger.give_back(site, hold, at=ends_at + timedelta(hours=1))

    assert scalar(site, "SELECT count(*) FROM members_pointlot") == 1
    assert held(holder, ends_at + DAY) == (10, [(10, datetime(2026, 12, 11, tzinfo=UTC))])


def test_an_act_dated_ahead_counts_on_the_day_on_which_it_is_told(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    earn(site, books, holder, 10, NOON)

    act(site, holder, NOON + 5 * DAY, told_at=NOON + 4 * DAY)

    active_on = "SELECT active_on FROM members_ledgeraccount WHERE id = %s"
    assert scalar(site, active_on, holder.available) == (NOON + 4 * DAY).date()


def test_moved_points_are_renewed_as_they_were(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    lot = {
        **{"h": 0, "account": holder.pending, "points": 10, "earned_at": NOON},
        **{"available_at": NOON + 5 * DAY, "expires_at": NOON + 184 * DAY, "renew_months": 6},
    }
    document = {
        "headers": [ledger.header(books, holder, "earn")],
        "lots": [lot],
        "uses": [],
        "entries": [
            {"h": 0, "account": books.issued, "points": -10},
            {"h": 0, "account": holder.pending, "points": 10},
        ],
    }
    ledger.post(site, books, document)

    act(site, holder, NOON + 90 * DAY)

    rows = site.execute(b"SELECT remaining, renew_months FROM members_pointlot ORDER BY id")
    assert rows.fetchall() == [(0, 6), (10, 6)]
    assert held(holder, NOON + 200 * DAY) == (10, [(10, datetime(2026, 12, 1, tzinfo=UTC))])


@pytest.mark.parametrize(
    ("_case", "sql"),
    [
        (
            "a day that is not that of the act",
            "INSERT INTO members_ledgeractivity (account_id, day, act, occurred_at, recorded_at)"
            " VALUES (%(account)s, '2030-01-01', 'purchase', %(at)s, %(at)s)",
        ),
        (
            "an act recorded before it happened",
            "INSERT INTO members_ledgeractivity (account_id, day, act, occurred_at, recorded_at)"
            " VALUES (%(account)s, %(day)s, 'purchase', %(at)s, %(before)s)",
        ),
        (
            "an act on another account than that of available points",
            "INSERT INTO members_ledgeractivity (account_id, day, act, occurred_at, recorded_at)"
            " VALUES (%(pending)s, %(day)s, 'purchase', %(at)s, %(at)s)",
        ),
        (
            "an act after the end of points that are still open",
            "INSERT INTO members_ledgeractivity (account_id, day, act, occurred_at, recorded_at)"
            " VALUES (%(account)s, %(late_day)s, 'purchase', %(late)s, %(late)s)",
        ),
        ("a day set by hand", "UPDATE members_ledgeraccount SET active_on = %(day)s"),
        ("an act changed", "UPDATE members_ledgeractivity SET day = day + 900"),
        ("an act deleted", "DELETE FROM members_ledgeractivity"),
        ("all acts deleted", "TRUNCATE members_ledgeractivity"),
    ],
)
@pytest.mark.parametrize("role", ["site", "owner"])
def test_nobody_renews_points_by_hand(
    role: str, _case: str, sql: str, database_urls: dict[str, str], site: Connection
) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ends_at = earn(site, books, holder, 10, NOON)
    act(site, holder, NOON)
    at = NOON + 10 * DAY
    values = {
        **{"account": holder.available, "pending": holder.pending, "at": at, "day": at.date()},
        **{"before": at - DAY, "late": ends_at, "late_day": ends_at.date()},
    }

    with (
        psycopg.connect(database_urls[role], autocommit=True) as attacker,
        pytest.raises((psycopg.errors.IntegrityError, psycopg.errors.InsufficientPrivilege)),
    ):
        attacker.execute(sql.encode(), values)

    assert (
        scalar(site, "SELECT active_on FROM members_ledgeraccount WHERE id = %s", holder.available)
        == NOON.date()
    )
