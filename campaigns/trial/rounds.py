"""Replays a whole history part by part, again where limits that members share ran out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from .compare import Comparison, Pair, Plan, replay
from .history import Story
from .shared import ROUNDS_MAX, Resolved, Rooms, Use, resolve

# What shared limits had left, by member, under each of the two documents.
RoomsOf = tuple[Mapping[int, Rooms], Mapping[int, Rooms]]
NO_ROOMS: Final[RoomsOf] = ({}, {})


@dataclass
class Part:
    """What replaying some members gave; ``uses`` is what they used of shared limits."""

    comparison: Comparison
    uses: tuple[list[Use], list[Use]] = field(default_factory=lambda: ([], []))


# Replays all parts, or only the members that are named, with what shared limits had left.
Replayer = Callable[[RoomsOf, frozenset[int] | None], Iterable[Part]]


@dataclass(frozen=True, slots=True)
class Settled:
    """The comparison, where shared limits ran out, and how often they had to be put in order.

    ``is_settled`` is False where members went on changing what was left for one another.
    """

    comparison: Comparison
    before: Resolved
    after: Resolved
    rounds: int
    is_settled: bool


def replay_part(
    plan: Plan,
    stories: Iterable[Story],
    rooms: RoomsOf,
    visit: Callable[[Pair], None] | None = None,
) -> Part:
    """Replay members one after the other; ``visit`` is shown each of them at the end."""
    part = Part(Comparison(plan.before.default))
    for story in stories:
        row = story.person.id
        pair = replay(plan, story, (rooms[0].get(row, {}), rooms[1].get(row, {})))
        part.comparison.add(pair)
        part.uses[0].extend(pair.before.uses)
        part.uses[1].extend(pair.after.uses)
        if visit is not None:
            visit(pair)
    return part


def settle(plan: Plan, replayer: Replayer) -> Settled:
    """Replay everybody until what shared limits had left for each of them is known."""
    comparison, uses = _sum(plan, replayer(NO_ROOMS, None))
    rooms: RoomsOf = NO_ROOMS
    rounds, is_settled = 0, False
    while True:
        before = resolve(_all(uses[0]), plan.before.bound)
        after = resolve(_all(uses[1]), plan.after.bound)
        is_settled = (before.rooms, after.rooms) == rooms
        if is_settled or rounds == ROUNDS_MAX:
            break
        rounds += 1
        affected = _changed(rooms[0], before.rooms) | _changed(rooms[1], after.rooms)
        rooms = (before.rooms, after.rooms)
        _, fresh = _sum(plan, replayer(rooms, affected))
        for kept, found in zip(uses, fresh, strict=True):
            for member in affected:
                kept[member] = found.get(member, [])
    if rounds:
        comparison, _ = _sum(plan, replayer(rooms, None))
    return Settled(comparison, before, after, rounds, is_settled)


_ByMember = dict[int, list[Use]]


def _sum(plan: Plan, parts: Iterable[Part]) -> tuple[Comparison, tuple[_ByMember, _ByMember]]:
    comparison = Comparison(plan.before.default)
    uses: tuple[_ByMember, _ByMember] = ({}, {})
    for part in parts:
        comparison.merge(part.comparison)
        for kept, found in zip(uses, part.uses, strict=True):
            for use in found:
                kept.setdefault(use.member, []).append(use)
    return comparison, uses


def _all(uses: _ByMember) -> Iterable[Use]:
    for of_member in uses.values():
        yield from of_member


def _changed(old: Mapping[int, Rooms], new: Mapping[int, Rooms]) -> frozenset[int]:
    return frozenset(row for row in {*old, *new} if old.get(row) != new.get(row))
