"""Reads what the file says of purchases that members claim themselves."""

from __future__ import annotations

from dataclasses import dataclass

from .reader import Reader


@dataclass(frozen=True, slots=True)
class ClaimsSection:
    """How many days back members look for points; ``cases_max`` is how many may wait for staff."""

    lookback_days: int
    cases_max: int


def read(reader: Reader) -> ClaimsSection:
    """Return the terms, with their defaults."""
    return ClaimsSection(
        lookback_days=reader.integer("lookback_days", most=365, default=30),
        cases_max=reader.integer("cases_max", most=100, default=3),
    )
