"""Where the points that a return takes back come from. Pure: no database and no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple


class OpenLot(NamedTuple):
    """What is left of a lot; ``is_pending`` before it became available."""

    id: int
    remaining: int
    earned_at: datetime
    is_pending: bool


class Take(NamedTuple):
    """Points taken from one lot."""

    lot: int
    points: int
    earned_at: datetime
    is_pending: bool


@dataclass(frozen=True, slots=True)
class Clawback:
    """How one currency's points go back; the five figures sum to what was to be taken."""

    takes: tuple[Take, ...] = ()
    from_pending: int = 0
    from_available: int = 0
    already_expired: int = 0
    to_debt: int = 0
    forgiven: int = 0

    @property
    def points(self) -> int:
        """Return what was to be taken back."""
        return self.posted + self.already_expired + self.forgiven

    @property
    def posted(self) -> int:
        """Return what the ledger moves."""
        return self.from_pending + self.from_available + self.to_debt


def paid_back(points: int, returned: Fraction, given_back: int) -> int:
    """Return how many of the points that paid an order go back with a part of it.

    ``returned`` is the part of the order's net that has come back by now, 1 for all
    of it; ``given_back`` is what went back before. Any split gives the same in sum,
    and the last part gives the rest.
    """
    return max(int(points * returned) - given_back, 0)


def claw_back(
    points: int,
    *,
    own: Sequence[OpenLot],
    others: Sequence[OpenLot],
    expired: int,
    policy: str,
    debt_room: int,
) -> Clawback:
    """Return where ``points`` come from: pending, the same lots, other available, debt.

    ``own`` are the open lots that the purchase's points are in, ``others`` the
    member's other available ones, soonest expiry first. ``expired`` is what of the
    purchase's points has expired and was not counted by an earlier return: it
    counts as taken back and makes no debt. ``debt_room`` is how much deeper the
    debt may become.
    """
    takes: list[Take] = []
    left = points
    pending = [lot for lot in own if lot.is_pending]
    left = _take(pending, left, takes)
    if policy != "only_pending":
        left = _take([lot for lot in own if not lot.is_pending], left, takes)
    gone = min(left, expired)
    left -= gone
    if policy != "only_pending":
        left = _take(others, left, takes)
    owed = min(left, debt_room) if policy == "into_debt" else 0
    return Clawback(
        takes=tuple(takes),
        from_pending=sum(take.points for take in takes if take.is_pending),
        from_available=sum(take.points for take in takes if not take.is_pending),
        already_expired=gone,
        to_debt=owed,
        forgiven=left - owed,
    )


def _take(lots: Sequence[OpenLot], points: int, takes: list[Take]) -> int:
    for lot in lots:
        if points <= 0:
            break
        part = min(points, lot.remaining)
        takes.append(Take(lot.id, part, lot.earned_at, lot.is_pending))
        points -= part
    return points
