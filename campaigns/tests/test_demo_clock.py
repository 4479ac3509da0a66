"""Wall clocks of the demo: kept over whole weeks, over skipped hours and repeated ones."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from demo.clock import rfc3339, utc_of_wall, wall_clock, weeks_to_last_week

LISBON = ZoneInfo("Europe/Lisbon")
NEW_YORK = ZoneInfo("America/New_York")


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("_case", "wall", "utc"),
    [
        ("winter", "2026-01-05T10:00:00", "2026-01-05T10:00:00Z"),
        ("summer", "2026-07-05T10:00:00", "2026-07-05T09:00:00Z"),
        ("before the gap", "2026-03-29T00:59:59", "2026-03-29T00:59:59Z"),
        ("in the gap: shown as 02:30", "2026-03-29T01:30:00", "2026-03-29T01:30:00Z"),
        ("after the gap", "2026-03-29T02:00:00", "2026-03-29T01:00:00Z"),
        ("in the fold: the first", "2026-10-25T01:30:00", "2026-10-25T00:30:00Z"),
        ("after the fold", "2026-10-25T02:00:00", "2026-10-25T02:00:00Z"),
    ],
)
def test_a_time_on_the_wall_becomes_one_moment(_case: str, wall: str, utc: str) -> None:
    moments = utc_of_wall(np.array([_seconds(wall)]), LISBON)

    assert rfc3339(moments) == [utc]


def test_a_moment_of_the_data_set_is_read_on_the_clock_of_its_shops() -> None:
    utc = np.array([_seconds("2017-01-01T11:53:26"), _seconds("2017-07-01T02:30:00")])

    wall = wall_clock(utc, NEW_YORK)

    assert rfc3339(wall) == ["2017-01-01T06:53:26Z", "2017-06-30T22:30:00Z"]


@pytest.mark.parametrize(
    ("_case", "last", "today", "lands_on"),
    [
        ("Monday", date(2017, 12, 31), date(2026, 10, 5), date(2026, 10, 4)),
        ("Wednesday", date(2017, 12, 31), date(2026, 10, 7), date(2026, 10, 4)),
        ("Sunday", date(2017, 12, 31), date(2026, 10, 11), date(2026, 10, 4)),
        ("the data ends on a Wednesday", date(2017, 12, 27), date(2026, 10, 7), date(2026, 9, 30)),
        ("already there", date(2026, 10, 4), date(2026, 10, 7), date(2026, 10, 4)),
        ("ends later than today", date(2026, 11, 1), date(2026, 10, 7), date(2026, 10, 4)),
    ],
)
def test_the_last_day_falls_in_last_week_on_its_weekday(
    _case: str, last: date, today: date, lands_on: date
) -> None:
    weeks = weeks_to_last_week(last, today)

    landed = date.fromordinal(last.toordinal() + 7 * weeks)
    assert landed == lands_on
