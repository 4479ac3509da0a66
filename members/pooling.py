"""The terms of pools, the roles in them, and every reason against joining or giving to one.

Pure: no database and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

KINDS: Final = ("household", "company")
ROLES: Final = ("owner", "adult", "child")
# From the gravest to the one that waiting or a smaller amount mends.
REASONS: Final = (
    "pools_off",
    "member_suspended",
    "in_a_pool",
    "too_new",
    "pool_closed",
    "pool_complete",
    "in_debt",
    "pool_full",
    "insufficient_points",
)


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """What the program file says of pools of one kind.

    ``share_pct`` is what goes to the pool of each earn of a new member, until they choose
    another share; ``cap`` is how many points a pool may hold, None without a limit;
    ``tenure_days`` is how long somebody has to be a member before they found or join one;
    ``redeem`` are the roles that may exchange its points.
    """

    kind: str
    members_max: int
    share_pct: int
    cap: int | None
    tenure_days: int
    redeem: tuple[str, ...]

    def room(self, held: int, points: int) -> int:
        """Return how many of ``points`` fit into a pool that holds ``held``."""
        return points if self.cap is None else max(min(points, self.cap - held), 0)


def terms_of(stored: Mapping[str, Any], kind: str) -> PoolTerms | None:
    """Return the terms in the form in which a program keeps them, None where it has none."""
    said = stored.get(kind)
    if not said:
        return None
    return PoolTerms(
        kind=kind,
        members_max=said["members_max"],
        share_pct=said["share_pct"],
        cap=said["cap"],
        tenure_days=said["tenure_days"],
        redeem=tuple(said["redeem"]),
    )


def share_of(points: int, share_pct: int, *, left: int, room: int) -> int:
    """Return what goes to the pool of a lot of ``points``, rounded down to whole points.

    Never more than is ``left`` of the lot, nor than the pool has ``room`` for.
    """
    return max(min(points * share_pct // 100, left, room), 0)


@dataclass(frozen=True, slots=True)
class Joiner:
    """What decides whether somebody may found or join a pool."""

    status: str
    enrolled_at: datetime
    is_in_a_pool: bool


def reasons_against_joining(
    terms: PoolTerms | None,
    joiner: Joiner,
    *,
    moment: datetime,
    members: int = 0,
    is_closed: bool = False,
) -> list[str]:
    """Return every reason against joining a pool of ``members``, in the order of ``REASONS``."""
    if terms is None:
        return ["pools_off"]
    against = {
        "member_suspended": joiner.status != "active",
        "in_a_pool": joiner.is_in_a_pool,
        "too_new": moment < joiner.enrolled_at + timedelta(days=terms.tenure_days),
        "pool_closed": is_closed,
        "pool_complete": members >= terms.members_max,
    }
    return [reason for reason in REASONS if against.get(reason)]


def reasons_against_giving(
    terms: PoolTerms | None, *, status: str, available: int, debt: int, held: int, points: int
) -> list[str]:
    """Return every reason against a gift of ``points`` to a pool that holds ``held``."""
    if terms is None:
        return ["pools_off"]
    against = {
        "member_suspended": status != "active",
        "in_debt": debt > 0,
        "pool_full": terms.room(held, points) < points,
        "insufficient_points": points > available,
    }
    return [reason for reason in REASONS if against.get(reason)]


def successor(rest: list[tuple[str, datetime, int]]) -> int | None:
    """Return who owns the pool after its owner left: the adult who is in it longest.

    ``rest`` are (role, joined at, key) of who stays; None where no adult does, and the pool ends.
    """
    adults = sorted((joined_at, key) for role, joined_at, key in rest if role == "adult")
    return adults[0][1] if adults else None
