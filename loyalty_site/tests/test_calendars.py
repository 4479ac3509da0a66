"""Days, months and periods as the program's own calendar has them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_site.lib import calendars

ZONES = [
    "Europe/Lisbon",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Havana",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Pacific/Apia",
    "UTC",
]


@pytest.mark.parametrize(
    ("_case", "day", "months", "expected"),
    [
        ("plain", date(2026, 3, 15), 12, date(2027, 3, 15)),
        ("31 to 28", date(2026, 1, 31), 1, date(2026, 2, 28)),
        ("31 to 29 in a leap year", date(2028, 1, 31), 1, date(2028, 2, 29)),
        ("31 to 30", date(2026, 3, 31), 1, date(2026, 4, 30)),
        ("29 February to a common year", date(2028, 2, 29), 12, date(2029, 2, 28)),
        ("backward over the year", date(2026, 1, 31), -2, date(2025, 11, 30)),
        ("nothing", date(2026, 5, 13), 0, date(2026, 5, 13)),
    ],
)
def test_months_are_added_and_clamped(_case: str, day: date, months: int, expected: date) -> None:
    assert calendars.add_months(day, months) == expected


@pytest.mark.parametrize(
    ("_case", "zone", "day", "expected"),
    [
        ("winter", "Europe/Lisbon", date(2026, 1, 5), datetime(2026, 1, 5, 0, tzinfo=UTC)),
        ("summer", "Europe/Lisbon", date(2026, 7, 5), datetime(2026, 7, 4, 23, tzinfo=UTC)),
        (
            "midnight skipped: 00:00 becomes 01:00",
            "America/Sao_Paulo",
            date(2018, 11, 4),
            datetime(2018, 11, 4, 3, tzinfo=UTC),
        ),
        (
            "midnight shown twice: the first",
            "America/Havana",
            date(2025, 11, 2),
            datetime(2025, 11, 2, 4, tzinfo=UTC),
        ),
        (
            "the gap begins before midnight: 23:30 becomes 00:30",
            "America/Toronto",
            date(1919, 3, 31),
            datetime(1919, 3, 31, 4, 30, tzinfo=UTC),
        ),
        (
            "a day that the zone left out begins with the next",
            "Pacific/Apia",
            date(2011, 12, 30),
            datetime(2011, 12, 30, 10, tzinfo=UTC),
        ),
    ],
)
def test_a_day_starts_at_its_first_instant(
    _case: str, zone: str, day: date, expected: datetime
) -> None:
    assert calendars.start_of_day(day, ZoneInfo(zone)) == expected


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    day=st.dates(date(2000, 1, 1), date(2037, 12, 30)),
)
def test_the_instant_before_a_day_is_another_day(zone: ZoneInfo, day: date) -> None:
    start = calendars.start_of_day(day, zone)

    assert calendars.local_day(start, zone) >= day
    assert calendars.local_day(start - timedelta(microseconds=1), zone) < day


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("day", date(2026, 5, 13)),
        ("week", date(2026, 5, 11)),
        ("month", date(2026, 5, 1)),
        ("year", date(2026, 1, 1)),
        ("lifetime", None),
    ],
)
def test_periods_start_on_their_first_day(period: str, expected: date | None) -> None:
    assert calendars.period_start(period, date(2026, 5, 13)) == expected


def test_a_week_belongs_to_the_monday_of_the_old_year() -> None:
    assert calendars.period_start("week", date(2027, 1, 3)) == date(2026, 12, 28)


def test_an_unknown_period_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown period 'hour'"):
        calendars.period_start("hour", date(2026, 5, 13))


def test_months_keep_the_wall_time_over_a_change_of_the_clock() -> None:
    noon_in_winter = datetime(2026, 1, 15, 12, tzinfo=UTC)

    moved = calendars.add_months_to_instant(noon_in_winter, 6, ZoneInfo("Europe/Lisbon"))

    assert moved == datetime(2026, 7, 15, 11, tzinfo=UTC)
