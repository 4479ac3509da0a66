"""Reads what the file says of what a cause gets."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from .document import DonationSection
from .reader import Reader

_PERCENT_MAX: Final = Decimal(1000)
_RATE_MAX: Final = Decimal(10**5)


def read(reader: Reader) -> DonationSection:
    """Return the terms; nothing of them has to be said."""
    rate = target = None
    if reader.has("rate"):
        rate = reader.decimal("rate", above=Decimal(0), most=_RATE_MAX, places=6)
    else:
        reader.raw("rate")
    match_percent = reader.decimal("match_percent", most=_PERCENT_MAX, default=Decimal(0))
    if reader.has("target"):
        target = reader.decimal("target", above=Decimal(0))
    else:
        reader.raw("target")
    return DonationSection(rate=rate, match_percent=match_percent, target=target)
