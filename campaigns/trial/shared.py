"""Limits that members share, such as a campaign's budget, in a replay of one member at a time.

First every member is replayed as if nothing were shared, and each tells what it would have used
of every shared counter, and when. Put in order, that says where a counter ran out. Only members
who came after are replayed again, with what was left for them. What they use less may leave more
for others, so that this is repeated until nothing changes any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from campaigns.earning.results import LimitKey, Used
from campaigns.earning.rules import Bound

from .history import Order

_FREE: Final = Used(-(10**15), -(10**12))
_GONE: Final = Used(10**15, 10**12)
ROUNDS_MAX: Final = 20


class Use(NamedTuple):
    """What a member's fact wanted of a shared counter, below zero where a return released it."""

    order: Order
    member: int
    key: LimitKey
    points: int
    uses: int
    occurred_at: datetime


# What was left of shared counters just before a fact, where it was less than the fact wanted.
Rooms = Mapping[Order, Mapping[LimitKey, Used]]


def is_shared(key: LimitKey) -> bool:
    """Return whether more than one member counts on the key."""
    return not key.per.startswith("member")


class Counters(dict[LimitKey, Used]):
    """The counters of one member; shared ones stand as far as they are known."""

    left: Mapping[LimitKey, Used] = {}

    def get(self, key: LimitKey, default: Used | None = None) -> Used:  # type: ignore[override]
        """Return what is used of a counter before the fact that is judged."""
        if is_shared(key):
            return self.left.get(key, _FREE)
        return super().get(key, default or Used())


@dataclass
class Resolved:
    """Where shared counters ran out: what was left by member and fact, and when each ended.

    ``refused`` are the points that were asked for and not there.
    """

    rooms: dict[int, dict[Order, dict[LimitKey, Used]]] = field(default_factory=dict)
    ended_at: dict[LimitKey, datetime] = field(default_factory=dict)
    used: dict[LimitKey, int] = field(default_factory=dict)
    refused: dict[LimitKey, int] = field(default_factory=dict)


def resolve(uses: Iterable[Use], bound_of: Callable[[LimitKey], Bound]) -> Resolved:
    """Return what was left of shared counters for each fact that wanted more."""
    found = Resolved()
    bounds: dict[LimitKey, Bound] = {}
    points: dict[LimitKey, int] = {}
    times: dict[LimitKey, int] = {}
    for use in sorted(uses):
        key = use.key
        bound = bounds.get(key)
        if bound is None:
            bound = bounds[key] = bound_of(key)
        if use.points < 0 or use.uses < 0:
            points[key] = max(points.get(key, 0) + use.points, 0)
            times[key] = max(times.get(key, 0) + use.uses, 0)
            continue
        asked, often = use.points, use.uses
        held, counted = points.get(key, 0), times.get(key, 0)
        granted = asked
        if bound.points is not None and held + asked > bound.points:
            granted = max(bound.points - held, 0)
        if bound.uses is not None and often and counted >= bound.uses:
            granted, often = 0, 0
            _cut(found, use, _GONE)
        elif granted < asked:
            _cut(found, use, Used(held, counted))
        points[key], times[key] = held + granted, counted + often
        if granted < asked or (bound.points is not None and points[key] >= bound.points):
            found.ended_at.setdefault(key, use.occurred_at)
        found.refused[key] = found.refused.get(key, 0) + asked - granted
    # A counter of uses has no currency; what it counts are times.
    found.used = {key: points[key] if key.currency else times[key] for key in points}
    return found


def _cut(found: Resolved, use: Use, left: Used) -> None:
    of_member = found.rooms.setdefault(use.member, {})
    of_member.setdefault(use.order, {})[use.key] = left
