"""Moves moments between UTC and wall clocks, a whole column at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo

import numpy as np
from numpy.typing import NDArray

Seconds = NDArray[np.int64]

# Every change of clock since 1970 falls on a quarter of an hour, so that one look-up serves
# all moments of a quarter.
QUARTER_SECONDS = 900
DAY_SECONDS = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def wall_clock(utc: Seconds, zone: tzinfo) -> Seconds:
    """Return what the clocks of ``zone`` showed at UTC moments, as seconds since 1970."""
    return utc + _by_quarter(utc, lambda at: at.astimezone(zone))


def utc_of_wall(wall: Seconds, zone: tzinfo) -> Seconds:
    """Return the UTC moments at which the clocks of ``zone`` showed ``wall``.

    A time that the clocks skipped is moved forward by what they skipped; of a time that they
    showed twice the first is taken.
    """
    return wall - _by_quarter(wall, lambda at: at.replace(tzinfo=zone, fold=0))


def weeks_to_last_week(last: date, today: date) -> int:
    """Return by how many whole weeks ``last`` moves to fall in the week before ``today``'s.

    Weeks begin on Monday; the weekday of ``last`` is kept.
    """
    monday = today - timedelta(days=today.weekday())
    return (monday - timedelta(days=1) - last).days // 7


def date_of(seconds: int) -> date:
    """Return the day in which ``seconds`` since 1970 fall on the same clock."""
    return (EPOCH + timedelta(seconds=seconds)).date()


def rfc3339(utc: Seconds) -> list[str]:
    """Return UTC moments as the API writes them, with the suffix Z."""
    texts: list[str] = np.datetime_as_string(utc.astype("datetime64[s]")).tolist()
    return [text + "Z" for text in texts]


def _by_quarter(seconds: Seconds, place: Callable[[datetime], datetime]) -> Seconds:
    quarters, where = np.unique(seconds // QUARTER_SECONDS, return_inverse=True)
    offsets = np.fromiter(
        (_offset(place(EPOCH + timedelta(seconds=int(q) * QUARTER_SECONDS))) for q in quarters),
        dtype=np.int64,
        count=len(quarters),
    )
    moved: Seconds = offsets[where]
    return moved


def _offset(moment: datetime) -> int:
    offset = moment.utcoffset()
    if offset is None:
        msg = "the zone gives no offset from UTC"
        raise ValueError(msg)
    return int(offset.total_seconds())
