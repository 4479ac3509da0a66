"""Reads days by a recurrence rule with a time of day: hours of a campaign, calls of a rule."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from campaigns.earning import schedules

from .reader import Reader
from .rule_document import ScheduleSection

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def read(reader: Reader, first: date | None) -> ScheduleSection:
    """Return the hours; a rule that counts from a day does from ``first``, where that is known."""
    return _read(reader, first, reader.integer("minutes", least=1, most=schedules.MINUTES_MAX))


def read_call(reader: Reader) -> ScheduleSection:
    """Return when a rule is called: it does not last, so that it has no ``minutes``."""
    return _read(reader, None, reader.integer("minutes", least=1, most=1, default=1))


def _read(reader: Reader, first: date | None, minutes: int) -> ScheduleSection:
    rrule = reader.text("rrule")
    starts = reader.text("starts", default="00:00")
    if not _TIME.fullmatch(starts):
        reader.refuse("starts", "a time of day, such as 17:00")
    since = reader.date("since")
    if rrule:
        try:
            if since is None and first is not None and schedules.needs_first_day(rrule):
                since = first
            schedules.recurrence(rrule, since)
        except schedules.NotASchedule as refused:
            reader.refuse("rrule", str(refused))
    return ScheduleSection(rrule=rrule, starts=starts, minutes=minutes, since=since)
