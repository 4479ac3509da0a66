"""Moves the times of a program file to where the loaded purchases end."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

REFERENCE = re.compile(r"^# last_day: (\d{4}-\d{2}-\d{2})$", re.MULTILINE)
LOCAL_TIME = re.compile(r"(?<![\w-])\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?![\w:.+-])")


def reference_day(text: str) -> date | None:
    """Return the last day of purchases that a program file is written for; None if not said.

    It stands in a comment ``# last_day: 2026-06-28``, so that the file stays a valid program.
    """
    found = REFERENCE.search(text)
    return date.fromisoformat(found[1]) if found else None


def moved_to(text: str, last_day: date) -> str:
    """Return the program file as it reads for purchases that end on ``last_day``.

    Every local time moves by the same number of days, its time of day kept; nothing else
    changes. A file that names no day of its own is returned as it is.
    """
    reference = reference_day(text)
    if reference is None:
        return text
    distance = last_day - reference
    moved = LOCAL_TIME.sub(lambda found: _moved(found[0], distance), text)
    return REFERENCE.sub(f"# last_day: {last_day.isoformat()}", moved)


def _moved(local: str, distance: timedelta) -> str:
    # The time carries no zone: adding days to it keeps the time on the wall.
    return (datetime.fromisoformat(local) + distance).isoformat()[: len(local)]
