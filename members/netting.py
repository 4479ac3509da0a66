"""What a member holds once everything that is due has happened, without writing it.

Pure. It follows the order in which ``ledger_settle_due`` posts: lapsed holds and activations by
their instant, each paying debt first, then what has expired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class OpenLot(NamedTuple):
    """Available points of one origin; ``expires_at`` None never ends."""

    points: int
    expires_at: datetime | None


class Arrival(NamedTuple):
    """Points of one lot that become available at an instant.

    ``hold`` is the lapsed hold that they come back from, None for pending points. ``grace_end``
    is the new end of points that expired while they were held.
    """

    points: int
    at: datetime
    expires_at: datetime | None
    lot: int
    hold: int | None = None
    grace_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """The balances as posted, ``debt`` as a positive figure, and what may be due on them.

    ``lots`` are the open available ones; ``arrivals`` only those due by the moment asked for.
    """

    available: int = 0
    pending: int = 0
    held: int = 0
    debt: int = 0
    lots: tuple[OpenLot, ...] = ()
    arrivals: tuple[Arrival, ...] = ()


@dataclass(frozen=True, slots=True)
class Net:
    """What is held at a moment; ``expiring`` has every later end of points, soonest first."""

    available: int
    pending: int
    held: int
    debt: int
    expiring: tuple[OpenLot, ...] = field(default=())


def net(position: Position, moment: datetime) -> Net:
    """Return what the position amounts to at ``moment``."""
    debt = position.debt
    arrived: list[OpenLot] = []
    for arrival in sorted(position.arrivals, key=_order):
        paid = min(arrival.points, debt)
        debt -= paid
        arrived.append(OpenLot(arrival.points - paid, _end(arrival)))
    expired = sum(lot.points for lot in position.lots if _has_ended(lot, moment))
    live = [lot for lot in (*position.lots, *arrived) if not _has_ended(lot, moment)]
    return Net(
        available=position.available
        - expired
        + sum(lot.points for lot in arrived if not _has_ended(lot, moment)),
        pending=position.pending - sum(a.points for a in position.arrivals if a.hold is None),
        held=position.held - sum(a.points for a in position.arrivals if a.hold is not None),
        debt=debt,
        expiring=_by_end(live),
    )


def _order(arrival: Arrival) -> tuple[datetime, bool, int, datetime, int]:
    return (
        arrival.at,
        arrival.hold is None,
        arrival.hold or 0,
        arrival.expires_at or _NEVER,
        arrival.lot,
    )


def _end(arrival: Arrival) -> datetime | None:
    ended = arrival.expires_at is not None and arrival.expires_at <= arrival.at
    return arrival.grace_end if ended else arrival.expires_at


def _has_ended(lot: OpenLot, moment: datetime) -> bool:
    return lot.expires_at is not None and lot.expires_at <= moment


def _by_end(lots: Iterable[OpenLot]) -> tuple[OpenLot, ...]:
    ends: Counter[datetime] = Counter()
    for lot in lots:
        if lot.expires_at is not None and lot.points:
            ends[lot.expires_at] += lot.points
    return tuple(OpenLot(points, end) for end, points in sorted(ends.items()))
