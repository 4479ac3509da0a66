"""When a campaign's hours come: days by a recurrence rule, a time of day, and how long.

Days and times are those of the program's clock. A moment lies in an occurrence when the clock
on the wall shows a time in it: a happy hour that the clock skips does not take place, and an
hour that it shows twice counts twice; a day of 1440 minutes is the whole day, whatever the
clock does. 29 February comes in leap years only.

Source of the recurrence rules: RFC 5545, section 3.3.10, in the parts that name days.
"""

from __future__ import annotations

from calendar import isleap, monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final

_FREQUENCIES: Final = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_PARTS: Final = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}
)
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Beyond these a rule is a mistake, and finding its days could take for ever.
TEXT_MAX: Final = 200
INTERVAL_MAX: Final = 366
COUNT_MAX: Final = 1000
MINUTES_MAX: Final = 7 * 24 * 60
# 29 February is eight years away at most, around a century that is no leap year.
_YEARS_TO_FIRST: Final = 12
# How many years a rule with COUNT is followed.
_YEARS_COUNTED: Final = 50
_YEAR_MAX: Final = 8999
NEAR_DAYS: Final = 7
_WEEK: Final = timedelta(days=7)
# Where a rule's days do not depend on when it began, they are counted from here.
EPOCH: Final = date(1970, 1, 1)


class NotASchedule(ValueError):
    """The text is no recurrence rule by days; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The days that a rule names, counted from ``first``; parts that it lacks come from there."""

    frequency: str
    first: date
    interval: int = 1
    count: int | None = None
    until: date | None = None
    by_day: tuple[tuple[int, int], ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_position: tuple[int, ...] = ()
    week_start: int = 0

    def has(self, day: date) -> bool:
        """Return whether the rule names the day."""
        return _names(self, day)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The hours of a campaign: from ``starts`` on each of the days, for ``minutes``."""

    days: Recurrence
    starts: time
    minutes: int

    def holds(self, local: datetime) -> bool:
        """Return whether the program's clock shows a time within an occurrence."""
        return self.current(local) is not None

    def current(self, local: datetime) -> datetime | None:
        """Return the start of the occurrence that the moment lies in, by the program's clock."""
        wall = local.replace(tzinfo=None)
        for back in range(self._days_spanned):
            day = wall.date() - timedelta(days=back)
            start = datetime.combine(day, self.starts)
            if start <= wall < start + self.duration and self.days.has(day):
                return start
        return None

    def next_start(self, local: datetime) -> datetime | None:
        """Return the next start within a week, by the program's clock."""
        wall = local.replace(tzinfo=None)
        for ahead in range(NEAR_DAYS + 1):
            day = wall.date() + timedelta(days=ahead)
            start = datetime.combine(day, self.starts)
            if wall < start <= wall + _WEEK and self.days.has(day):
                return start
        return None

    def past_start(self, local: datetime) -> datetime | None:
        """Return the start of what was over earlier on the same day."""
        start = datetime.combine(local.date(), self.starts)
        is_over = start + self.duration <= local.replace(tzinfo=None)
        return start if is_over and self.days.has(start.date()) else None

    @property
    def duration(self) -> timedelta:
        """Return how long an occurrence is, by the clock on the wall."""
        return timedelta(minutes=self.minutes)

    @property
    def _days_spanned(self) -> int:
        return 1 + (self.starts.hour * 60 + self.starts.minute + self.minutes - 1) // (24 * 60)


def compile_schedule(body: Mapping[str, Any]) -> Schedule:
    """Return the schedule of a validated ``{rrule, starts, minutes, since}``."""
    first = body.get("since")
    return Schedule(
        days=recurrence(body["rrule"], date.fromisoformat(first) if first else None),
        starts=time.fromisoformat(body["starts"]),
        minutes=body["minutes"],
    )


def needs_first_day(text: str) -> bool:
    """Return whether the days of a recurrence rule depend on when it began.

    :raises NotASchedule: it is no rule that names days.
    """
    parts = _parts(text)
    return not _names_days(parts) or bool({"COUNT", "INTERVAL"} & parts.keys())


def recurrence(text: str, first: date | None) -> Recurrence:
    """Return the days of a recurrence rule that counts from ``first``, where that is known.

    :raises NotASchedule: it is no rule that names days, or one that never comes.
    """
    if first is None and needs_first_day(text):
        raise NotASchedule("a rule with days, such as BYDAY=FR, or a day to count from")
    if first is not None and not EPOCH.year <= first.year <= _YEAR_MAX:
        raise NotASchedule(f"a first day from {EPOCH.year} to {_YEAR_MAX}")
    found = _filled(_parts(text), first or EPOCH)
    if next(_days_from_first(found, _YEARS_TO_FIRST), None) is None:
        raise NotASchedule(f"a rule that comes within {_YEARS_TO_FIRST} years")
    return found


def _parts(text: str) -> dict[str, str]:
    if len(text) > TEXT_MAX:
        raise NotASchedule(f"a rule of at most {TEXT_MAX} characters")
    parts: dict[str, str] = {}
    for each in text.removeprefix("RRULE:").split(";"):
        key, equals, value = each.partition("=")
        if not equals or not value or key in parts:
            raise NotASchedule("a recurrence rule, such as FREQ=WEEKLY;BYDAY=FR")
        if key not in _PARTS:
            raise NotASchedule(f"a rule of {', '.join(sorted(_PARTS))}: the hours are in starts")
        parts[key] = value
    if parts.get("FREQ") not in _FREQUENCIES:
        raise NotASchedule(f"a FREQ of {', '.join(_FREQUENCIES)}")
    return parts


def _names_days(parts: Mapping[str, str]) -> bool:
    return parts["FREQ"] == "DAILY" or "BYDAY" in parts or "BYMONTHDAY" in parts


def _filled(parts: Mapping[str, str], first: date) -> Recurrence:
    frequency = parts["FREQ"]
    by_day = _by_day(parts.get("BYDAY"), frequency)
    by_month_day = _numbers("BYMONTHDAY", parts.get("BYMONTHDAY"), 31)
    by_month = _numbers("BYMONTH", parts.get("BYMONTH"), 12, signed=False)
    # What a rule leaves open is that of its first day, as RFC 5545 has it.
    if not _names_days(parts):
        if frequency == "WEEKLY":
            by_day = ((first.weekday(), 0),)
        else:
            by_month_day = (first.day,)
        if frequency == "YEARLY" and not by_month:
            by_month = (first.month,)
    return Recurrence(
        frequency=frequency,
        first=first,
        interval=_number("INTERVAL", parts.get("INTERVAL", "1"), INTERVAL_MAX),
        count=_number("COUNT", parts["COUNT"], COUNT_MAX) if "COUNT" in parts else None,
        until=_until(parts.get("UNTIL")),
        by_day=by_day,
        by_month_day=by_month_day,
        by_month=by_month,
        by_position=_numbers("BYSETPOS", parts.get("BYSETPOS"), 366),
        week_start=_weekday(parts.get("WKST", "MO")),
    )


def _by_day(text: str | None, frequency: str) -> tuple[tuple[int, int], ...]:
    """Return weekdays, each with which of its kind it is in the month or year, 0 for every."""
    found = []
    for each in text.split(",") if text else ():
        place = each[:-2]
        if place and frequency not in ("MONTHLY", "YEARLY"):
            raise NotASchedule("weekdays without a number for FREQ=DAILY and WEEKLY")
        number = _signed("BYDAY", place, 53) if place else 0
        found.append((_weekday(each[-2:]), number))
    return tuple(found)


def _weekday(text: str) -> int:
    if text not in _WEEKDAYS:
        raise NotASchedule(f"weekdays of {', '.join(_WEEKDAYS)}")
    return _WEEKDAYS.index(text)


def _numbers(name: str, text: str | None, most: int, *, signed: bool = True) -> tuple[int, ...]:
    read = _signed if signed else _number
    return tuple(read(name, each, most) for each in text.split(",")) if text else ()


def _signed(name: str, text: str, most: int) -> int:
    sign = -1 if text.startswith("-") else 1
    return sign * _number(name, text.lstrip("+-") if text[:1] in "+-" else text, most)


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= most):
        raise NotASchedule(f"{name} of whole numbers from 1 to {most}")
    return int(text)


def _until(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day has no offset
    except ValueError:
        raise NotASchedule("UNTIL as a day, such as 20261231") from None


# Asked for the days around now alone, of which there are few.
@lru_cache(maxsize=4096)
def _names(rule: Recurrence, day: date) -> bool:
    """Return whether the rule names the day; no day beyond its own period is looked at."""
    if rule.count is not None:
        return day in _counted(rule)
    return _is_named(rule, day)


def _is_named(rule: Recurrence, day: date) -> bool:
    if day < rule.first or (rule.until is not None and day > rule.until):
        return False
    if _periods_since_first(rule, day) % rule.interval or not _fits(rule, day):
        return False
    if not rule.by_position:
        return True
    named = [each for each in _period_of(rule, day) if _fits(rule, each)]
    place = named.index(day)
    return place + 1 in rule.by_position or place - len(named) in rule.by_position


def _fits(rule: Recurrence, day: date) -> bool:
    if rule.by_month and day.month not in rule.by_month:
        return False
    if rule.by_month_day:
        from_end = day.day - monthrange(day.year, day.month)[1] - 1
        if day.day not in rule.by_month_day and from_end not in rule.by_month_day:
            return False
    return not rule.by_day or any(
        day.weekday() == weekday and _is_numbered(rule, day, number)
        for weekday, number in rule.by_day
    )


def _is_numbered(rule: Recurrence, day: date, number: int) -> bool:
    """Return whether the day is the ``number``-th of its weekday, from the end below zero."""
    if not number:
        return True
    if rule.frequency == "MONTHLY" or rule.by_month:
        place, length = day.day, monthrange(day.year, day.month)[1]
    else:
        place = day.timetuple().tm_yday
        length = 366 if isleap(day.year) else 365
    return number in ((place - 1) // 7 + 1, -((length - place) // 7 + 1))


def _periods_since_first(rule: Recurrence, day: date) -> int:
    first = rule.first
    if rule.frequency == "YEARLY":
        return day.year - first.year
    if rule.frequency == "MONTHLY":
        return (day.year - first.year) * 12 + day.month - first.month
    if rule.frequency == "WEEKLY":
        return (_week_start(rule, day) - _week_start(rule, first)).days // 7
    return (day - first).days


def _week_start(rule: Recurrence, day: date) -> date:
    return day - timedelta(days=(day.weekday() - rule.week_start) % 7)


def _period_of(rule: Recurrence, day: date) -> Iterator[date]:
    """Yield the days of the year, month, week or day that BYSETPOS counts in."""
    start, length = day, 1
    if rule.frequency == "YEARLY":
        start, length = day.replace(month=1, day=1), 366 if isleap(day.year) else 365
    elif rule.frequency == "MONTHLY":
        start, length = day.replace(day=1), monthrange(day.year, day.month)[1]
    elif rule.frequency == "WEEKLY":
        start, length = _week_start(rule, day), 7
    return (start + timedelta(days=ahead) for ahead in range(length))


@lru_cache(maxsize=64)
def _counted(rule: Recurrence) -> frozenset[date]:
    return frozenset(islice(_days_from_first(rule, _YEARS_COUNTED), rule.count))


def _days_from_first(rule: Recurrence, years: int) -> Iterator[date]:
    days = (rule.first + timedelta(days=ahead) for ahead in range(years * 366))
    return (day for day in days if _is_named(rule, day))
