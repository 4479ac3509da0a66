"""The lines of a file of points: what each must hold, and what is wrong with one that does not.

Pure: no database and no clock. The file is read line by line, so that its length costs no memory.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from loyalty_site.lib import calendars

COLUMNS: Final = (
    *("member", "points", "earned_date", "last_day", "pending_until", "tier", "tier_until"),
)
REQUIRED: Final = ("member", "points")
POINTS_MAX: Final = 1_000_000_000
# Longer lines are no lines of such a file, and would be read as a whole.
LINE_LENGTH_MAX: Final = 2000


class NotSuchAFile(ValueError):
    """The first line does not name the columns."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line that is well written; days are local, ``expires_at`` None means none was given.

    ``is_endless`` says that the points never end.
    """

    line: int
    member: str
    points: int
    earned_at: datetime
    available_at: datetime | None
    expires_at: datetime | None
    is_endless: bool
    tier: str
    tier_until: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: where, and what was expected; never what stood there."""

    line: int
    column: str
    expected: str

    def __str__(self) -> str:
        return f"{self.column}: {self.expected}"


class _Unreadable(ValueError):
    def __init__(self, column: str, expected: str) -> None:
        super().__init__(expected)
        self.column = column
        self.expected = expected


def read(
    lines: Iterable[str], *, zone: ZoneInfo, moment: datetime, tiers: Collection[str]
) -> Iterator[Wanted | Problem]:
    """Yield each line of a file below its first, which names the columns.

    A line without a date counts as earned at ``moment``.

    :raises NotSuchAFile: the first line lacks a column or has an unknown one.
    """
    rows = csv.reader(_short(lines))
    header = [name.strip().lower().lstrip("\ufeff") for name in next(rows, [])]
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown or len(set(header)) < len(header):
        raise NotSuchAFile(
            f"The first line names the columns; known are {', '.join(COLUMNS)},"
            f" needed are {', '.join(REQUIRED)}."
        )
    for row in rows:
        if not any(value.strip() for value in row):
            continue
        line = rows.line_num
        if len(row) != len(header):
            yield Problem(line, "line", f"{len(header)} values are expected")
            continue
        told = {name: value.strip() for name, value in zip(header, row, strict=True)}
        try:
            yield _wanted(line, told, zone, moment, tiers)
        except _Unreadable as error:
            yield Problem(line, error.column, error.expected)


def _short(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if len(line) > LINE_LENGTH_MAX:
            raise NotSuchAFile(f"A line has at most {LINE_LENGTH_MAX} characters.")
        # The reader of the standard library stops at it.
        yield line.replace("\0", "")


def _wanted(
    line: int, told: Mapping[str, str], zone: ZoneInfo, moment: datetime, tiers: Collection[str]
) -> Wanted:
    if not told["member"]:
        raise _Unreadable("member", "a member number or an identifier is expected")
    earned = _day(told, "earned_date")
    earned_at = moment if earned is None else calendars.start_of_day(earned, zone)
    if earned_at > moment:
        raise _Unreadable("earned_date", "a day that is not in the future is expected")
    is_endless = told.get("last_day", "").lower() == "never"
    last = None if is_endless else _day(told, "last_day")
    expires_at = None if last is None else calendars.end_of_day(last, zone)
    if expires_at is not None and expires_at <= moment:
        raise _Unreadable("last_day", "a day that is not over is expected")
    pending = _day(told, "pending_until")
    available_at = None if pending is None else calendars.start_of_day(pending, zone)
    if available_at is not None and expires_at is not None and available_at >= expires_at:
        raise _Unreadable("pending_until", "a day before the last day is expected")
    tier = told.get("tier", "")
    if tier and tier not in tiers:
        raise _Unreadable("tier", f"one of {', '.join(sorted(tiers))} is expected")
    until = _day(told, "tier_until")
    if until is not None and not tier:
        raise _Unreadable("tier", "the tier that lasts until then is expected")
    if tier and (until is None or until < calendars.local_day(moment, zone)):
        raise _Unreadable("tier_until", "the last day of the tier, not over, is expected")
    return Wanted(
        line=line,
        member=told["member"],
        points=_points(told["points"], least=0 if tier else 1),
        earned_at=earned_at,
        available_at=available_at,
        expires_at=expires_at,
        is_endless=is_endless,
        tier=tier,
        tier_until=None if until is None else calendars.end_of_day(until, zone),
    )


def _points(text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise _Unreadable("points", "a whole number of points is expected")
    points = int(text)
    if not least <= points <= POINTS_MAX:
        raise _Unreadable("points", f"{least} to {POINTS_MAX} points are expected")
    return points


def _day(told: Mapping[str, str], column: str) -> date | None:
    text = told.get(column, "")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Unreadable(column, "a day as 2026-03-31 is expected") from None


def safe_cell(text: str) -> str:
    """Return a text that a spreadsheet shows instead of computing it.

    Source: OWASP, "CSV Injection".
    """
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
