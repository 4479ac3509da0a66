"""Reads what the file says of transfers between members."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from .document import TransferFeeSection, TransfersSection
from .reader import Reader

_POINTS_MAX: Final = 10**9
_COOLING_MAX: Final = 720


def read(reader: Reader) -> TransfersSection:
    """Return the terms; only what one member may send at a time has to be said."""
    minimum = reader.integer("minimum", least=1, most=_POINTS_MAX, default=1)
    maximum = reader.integer("maximum", least=1, most=_POINTS_MAX)
    if maximum < minimum:
        reader.refuse("maximum", "at least the minimum")
    cap = reader.integer("daily_cap", least=1, most=_POINTS_MAX, default=maximum)
    return TransfersSection(
        minimum=minimum,
        maximum=maximum,
        daily_cap=cap,
        fee=reader.section("fee", _fee) or TransferFeeSection(),
        tenure_days=reader.integer("tenure_days", most=3650, default=30),
        require_verified=reader.flag("require_verified", default=True),
        cooling_hours=reader.integer("cooling_hours", most=_COOLING_MAX, default=24),
        confirm_above=reader.integer("confirm_above", most=_POINTS_MAX, default=1000),
    )


def _fee(reader: Reader) -> TransferFeeSection:
    percent = reader.decimal("percent", most=Decimal(100), default=Decimal(0))
    return TransferFeeSection(
        percent=percent,
        fixed=reader.integer("fixed", most=_POINTS_MAX, default=0),
        rounding=reader.choice("rounding", ("up", "down", "half_up"), default="up"),
    )
