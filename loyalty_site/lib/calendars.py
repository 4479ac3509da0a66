"""Days, months and periods as the program's own calendar has them."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

Period = Literal["day", "week", "month", "year", "lifetime"]
PERIODS: tuple[str, ...] = get_args(Period)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """Return the calendar day that ``instant`` falls on in ``zone``."""
    return instant.astimezone(zone).date()


def add_months(day: date, months: int) -> date:
    """Return ``day`` moved by ``months``, clamped to the last day of a shorter month."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, min(day.day, monthrange(years, month + 1)[1]))


def add_months_to_instant(instant: datetime, months: int, zone: ZoneInfo) -> datetime:
    """Return the UTC instant with the same wall time in ``zone``, ``months`` later.

    A wall time that the clock skips is read with the offset before the change, one that it
    shows twice is the earlier.
    """
    local = instant.astimezone(zone)
    moved = datetime.combine(add_months(local.date(), months), local.time(), zone)
    return moved.replace(fold=0).astimezone(UTC)


def add_days_to_instant(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """Return the UTC instant with the same wall time in ``zone``, ``days`` later."""
    local = instant.astimezone(zone)
    moved = datetime.combine(local.date() + timedelta(days=days), local.time(), zone)
    return moved.replace(fold=0).astimezone(UTC)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of ``day`` in ``zone``, in UTC.

    Where the clock skips midnight, this is the instant of the change; a day that a zone left
    out altogether begins with the next one.
    """
    midnight = datetime.combine(day, time(), zone)
    before = midnight.replace(fold=0).astimezone(UTC)
    after = midnight.replace(fold=1).astimezone(UTC)
    if after >= before:
        return before
    # Inside a gap the two readings straddle the change: the first instant whose wall clock
    # has reached midnight lies between them.
    low, high = int(after.timestamp()), int(before.timestamp())
    while low < high:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date() >= day:
            high = middle
        else:
            low = middle + 1
    return datetime.fromtimestamp(low, UTC)


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant from which ``day`` is over in ``zone``, in UTC."""
    return start_of_day(day + timedelta(days=1), zone)


def period_start(period: str, day: date) -> date | None:
    """Return the first day of the ``period`` that holds ``day``; None for ``lifetime``.

    Weeks begin on Monday, as in ISO 8601.
    """
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    if period == "year":
        return day.replace(month=1, day=1)
    if period == "lifetime":
        return None
    raise ValueError(f"unknown period {period!r}, expected one of {', '.join(PERIODS)}")
