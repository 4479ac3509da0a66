"""The codes of vouchers: short enough to read out, long enough not to be guessed.

Pure: no database, no clock; where chance comes from is an argument.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from loyalty_site.lib import calendars

# Without the pairs that are mistaken for each other, on paper or on the phone:
# 0 O, 1 I L, 2 Z, 5 S, 8 B, U V.
ALPHABET: Final = "34679ACDEFGHJKMNPQRTVWXY"

# Fifteen of twenty-four characters are 68 bits: at a million guesses a second a hit on one
# of a million codes takes sixteen years.
GROUPS: Final = 3
GROUP_LENGTH: Final = 5
LENGTH: Final = GROUPS * GROUP_LENGTH

# ``voucher_valid_days`` of a voucher that never ends.
WITHOUT_END: Final = 0


def new_code(choose: Callable[[Sequence[str]], str] = secrets.choice) -> str:
    """Return a code that nobody can foresee, in groups: ``3F4A7-KQ9TX-RM6CD``."""
    return _grouped("".join(choose(ALPHABET) for _ in range(LENGTH)))


def normalize(text: str) -> str | None:
    """Return the code as it is stored, or None where the text cannot be one.

    Case, spaces and hyphens do not matter, so that a code read out over the
    phone is found.
    """
    plain = "".join(text.split()).replace("-", "").upper()
    if len(plain) != LENGTH or not set(plain) <= set(ALPHABET):
        return None
    return _grouped(plain)


def expires_at(issued_at: datetime, valid_days: int, zone: ZoneInfo) -> datetime | None:
    """Return the first instant at which the voucher is of no use; None is never.

    A voucher lasts through the whole of its last day in the program's time zone.
    """
    if valid_days == WITHOUT_END:
        return None
    last_day = calendars.local_day(issued_at, zone) + timedelta(days=valid_days)
    return calendars.end_of_day(last_day, zone)


def _grouped(plain: str) -> str:
    return "-".join(plain[at : at + GROUP_LENGTH] for at in range(0, LENGTH, GROUP_LENGTH))
