"""Points end when the program's clock says so, whatever that clock does in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from loyalty_site.lib import calendars
from members import lots
from members.lots import ExpiryPolicy
from members.services import jobs, settling
from members.tests import books as ledger
from members.tests.books import Books, Connection, Holder, scalar

# With changes at night and at midnight, of an hour and of half of one, and with none.
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Chatham",
)
INSTANT = timedelta(microseconds=1)
LATE = timedelta(days=3)
MONTH_END = ExpiryPolicy(model="fixed_after", months=1, round_to="month_end")
MONTH = ExpiryPolicy(model="fixed_after", months=1)
YEAR = ExpiryPolicy(model="fixed_after", years=1)
DAYS = ExpiryPolicy(model="fixed_after", days=30)


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        yield connection


def _changes(zone: ZoneInfo) -> list[date]:
    """Return the days of 2026 on which the clock changes."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    offsets = [datetime.combine(day, time(), zone).utcoffset() for day in days]
    return [day for n, day in enumerate(days[:-1]) if offsets[n] != offsets[n + 1]]


def _earnings(zone: ZoneInfo) -> list[tuple[ExpiryPolicy, date, date]]:
    """Return policies, days of earning, and the last day on which the points can be used."""
    around = [day + timedelta(days=shift) for day in _changes(zone) for shift in (-1, 0, 1)]
    return [
        *((DAYS, day - timedelta(days=30), day) for day in around),
        (MONTH, date(2026, 1, 31), date(2026, 2, 28)),
        (MONTH, date(2026, 3, 31), date(2026, 4, 30)),
        (MONTH_END, date(2026, 2, 15), date(2026, 3, 31)),
        (MONTH_END, date(2026, 9, 30), date(2026, 10, 31)),
        (YEAR, date(2028, 2, 29), date(2029, 2, 28)),
        (YEAR, date(2027, 2, 28), date(2028, 2, 28)),
        (MONTH, date(2028, 1, 29), date(2028, 2, 29)),
    ]


def _ends() -> list[tuple[datetime, datetime]]:
    """Return when points are earned and when they end, in all zones."""
    found = []
    for name in ZONES:
        zone = ZoneInfo(name)
        for policy, earned_on, _last_day in _earnings(zone):
            earned_at = datetime.combine(earned_on, time(12), zone).astimezone(UTC)
            ends_at = lots.expires_at(policy, earned_at, zone)
            assert ends_at is not None
            found.append((earned_at, ends_at))
    return found


@pytest.mark.parametrize("name", ZONES)
def test_points_last_through_their_last_day_and_not_an_instant_longer(name: str) -> None:
    zone = ZoneInfo(name)

    for policy, earned_on, last_day in _earnings(zone):
        earned_at = datetime.combine(earned_on, time(23, 59), zone).astimezone(UTC)
        ends_at = lots.expires_at(policy, earned_at, zone)

        assert ends_at is not None
        assert calendars.local_day(ends_at - INSTANT, zone) == last_day
        assert calendars.local_day(ends_at, zone) == last_day + timedelta(days=1)


@pytest.mark.parametrize("runs", [1, 2])
def test_job_expires_each_lot_at_its_end_and_once(runs: int, site: Connection) -> None:
    books = ledger.open_books(site)
    ends = _earn_all(site, books)

    for moment in sorted(set(ends)):
        _run_job(runs, moment - INSTANT)
        assert _expired(site) == sorted(end for end in ends if end < moment)
        _run_job(runs, moment)
        assert _expired(site) == sorted(end for end in ends if end <= moment)


def test_job_that_comes_three_days_late_dates_each_expiry_at_its_end(site: Connection) -> None:
    books = ledger.open_books(site)
    ends = _earn_all(site, books)
    moment = min(ends) + LATE

    while moment < max(ends) + LATE:
        moment += LATE
        _run_job(1, moment)
        assert _expired(site) == sorted(end for end in ends if end <= moment)

    assert _expired(site) == sorted(ends)


def _run_job(runs: int, moment: datetime) -> None:
    for _run in range(runs):
        assert jobs.run(settling.EXPIRE_POINTS, moment=moment).failure == ""


def test_points_can_be_used_to_the_end_though_the_job_never_runs(site: Connection) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)

    for earned_at, ends_at in sorted(_ends()):
        ledger.earn(site, books, holder, 10, at=earned_at, expires_at=ends_at)
        with site.transaction(force_rollback=True):
            ledger.settle(site, holder, moment=ends_at - INSTANT)
            ledger.debit(site, books, holder, 10, at=ends_at - INSTANT)
        with site.transaction(force_rollback=True):
            ledger.settle(site, holder, moment=ends_at)
            assert _lots_ending_at(site, holder, ends_at) == 0
            _refuses(site, books, holder, ends_at)
        ledger.settle(site, holder, moment=datetime(2030, 1, 1, tzinfo=UTC))


def test_grace_ends_in_sql_when_it_ends_in_python(site: Connection) -> None:
    books = ledger.open_books(site, grace_days=30)

    for name in ZONES:
        zone = ZoneInfo(name)
        site.execute(b"UPDATE members_program SET timezone = %s", (name,))
        for day in _changes(zone):
            for shift in (-32, -31, -30, -29):
                at = datetime.combine(day + timedelta(days=shift), time(12), zone)
                in_sql = scalar(site, "SELECT ledger_grace_end(%s, %s)", books.points, at)

                assert in_sql == lots.with_grace(at, at, 30, zone)


def _earn_all(site: Connection, books: Books) -> list[datetime]:
    """Earn in all zones, one lot for each end and member; return the ends."""
    holders = [ledger.enroll(site, books) for _zone in range(3)]
    ends = set(_ends())
    for number, (earned_at, ends_at) in enumerate(sorted(ends)):
        holder = holders[number % 3]
        ledger.earn(site, books, holder, 10, at=earned_at, expires_at=ends_at)
    pairs = site.execute(b"SELECT DISTINCT account_id, expires_at FROM members_pointlot")
    return [ends_at for _account, ends_at in pairs.fetchall()]


def _expired(site: Connection) -> list[datetime]:
    rows = site.execute(
        b"SELECT occurred_at FROM members_ledgertransaction WHERE type = 'expire' ORDER BY 1"
    )
    return [row[0] for row in rows]


def _lots_ending_at(site: Connection, holder: Holder, at: datetime) -> int:
    remaining: int = scalar(
        site,
        "SELECT coalesce(sum(remaining), 0)::bigint FROM members_pointlot"
        " WHERE account_id = %s AND expires_at <= %s",
        *(holder.available, at),
    )
    return remaining


def _refuses(site: Connection, books: Books, holder: Holder, at: datetime) -> None:
    left = ledger.balances(site, holder)["available"]
    with pytest.raises(psycopg.errors.CheckViolation), site.transaction():
        ledger.debit(site, books, holder, left + 1, at=at)
