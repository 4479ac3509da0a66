"""Sums of what became of one member's points during the replayed window."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(slots=True)
class Tally:
    """Points by currency, and what redemptions were worth and cost, in the program's money.

    ``by_rule`` is by (rule, currency), before returns; ``by_month`` is of the currency of rewards,
    by the program's month (``2026-03``). ``missed`` are pieces of rewards that members redeemed
    and that the balance of the replay did not allow; ``grants`` counts what rules gave beside
    points, by ``RULE KIND``.
    """

    given: dict[str, int] = field(default_factory=dict)
    taken_back: dict[str, int] = field(default_factory=dict)
    by_rule: dict[tuple[str, str], int] = field(default_factory=dict)
    by_month: dict[str, int] = field(default_factory=dict)
    grants: dict[str, int] = field(default_factory=dict)
    redeemed: int = 0
    worth: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    pieces: int = 0
    missed: int = 0
    net: Decimal = Decimal(0)
    purchases: int = 0


def add(sums: dict[str, int], key: str, points: int) -> None:
    """Add points to the sum of a key."""
    sums[key] = sums.get(key, 0) + points
