"""The life of a campaign: its states, the steps between them, and who may take them.

Pure: no database and no clock. ``campaigns/sql/drafts.sql`` holds the same table; a test tries
every pair of states against both.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a campaign is in its life; ``scheduled`` and ``active`` differ by the clock alone."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    SCHEDULED = "scheduled"
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    ARCHIVED = "archived"


class Who(StrEnum):
    """Who takes a step: whoever writes campaigns, whoever approves them, the clock, the file."""

    AUTHOR = "author"
    APPROVER = "approver"
    CLOCK = "clock"
    FILE = "file"


# What the clock tells apart.
LIVE: Final = frozenset({State.SCHEDULED, State.ACTIVE})
# Not published yet: what it will give stands in its draft alone.
UNPUBLISHED: Final = frozenset({State.DRAFT, State.IN_REVIEW})
_PUBLISHED: Final = frozenset({State.SCHEDULED, State.ACTIVE, State.ENDED})


@dataclass(frozen=True, slots=True)
class Step:
    """One step: from any of ``before`` to one of ``after``, which the clock picks from many."""

    name: str
    before: frozenset[State]
    after: frozenset[State]
    who: frozenset[Who]


def _step(name: str, before: Collection[State], after: Collection[State], *who: Who) -> Step:
    return Step(name, frozenset(before), frozenset(after), frozenset(who))


_RUNNING: Final = (State.SCHEDULED, State.ACTIVE, State.PAUSED)
_AUTHOR, _APPROVER, _CLOCK, _FILE = Who.AUTHOR, Who.APPROVER, Who.CLOCK, Who.FILE
STEPS: Final = (
    _step("submit", {State.DRAFT}, {State.IN_REVIEW}, _AUTHOR),
    _step("take_back", {State.IN_REVIEW}, {State.DRAFT}, _AUTHOR),
    _step("send_back", {State.IN_REVIEW}, {State.DRAFT}, _APPROVER),
    # Alone, within the limit of one person; above it, see ``approve``.
    _step("start", {State.DRAFT}, _PUBLISHED, _AUTHOR),
    _step("approve", {State.IN_REVIEW}, _PUBLISHED, _APPROVER),
    _step("discard", UNPUBLISHED, {State.ARCHIVED}, _AUTHOR),
    _step("begin", {State.SCHEDULED}, {State.ACTIVE}, _CLOCK),
    _step("run_out", _RUNNING, {State.ENDED}, _CLOCK),
    _step("pause", LIVE, {State.PAUSED}, _AUTHOR, _APPROVER),
    _step("resume", {State.PAUSED}, _PUBLISHED, _AUTHOR, _APPROVER),
    _step("end", _RUNNING, {State.ENDED}, _AUTHOR, _APPROVER),
    _step("archive", {State.ENDED}, {State.ARCHIVED}, _AUTHOR, _APPROVER),
    # A new version of what is live, paused or over: with another window it may begin anew.
    _step("republish", {*_RUNNING, State.ENDED}, {*_RUNNING, State.ENDED}, _AUTHOR, _APPROVER),
    # The program file says what is, and never makes a draft of what was live.
    _step(
        "file",
        {*UNPUBLISHED, *_RUNNING, State.ENDED},
        {*_RUNNING, State.ENDED, State.ARCHIVED},
        _FILE,
    ),
)
BY_NAME: Final = {step.name: step for step in STEPS}


def is_legal(before: str, after: str) -> bool:
    """Return whether some step leads from one state to the other; to stay is no step."""
    return before == after or any(before in step.before and after in step.after for step in STEPS)


def pairs() -> frozenset[tuple[str, str]]:
    """Return every pair of states that some step joins, as the database lists them."""
    return frozenset(
        (str(before), str(after))
        for step in STEPS
        for before in step.before
        for after in step.after
        if before != after
    )


def steps_from(state: str, roles: Collection[Who]) -> list[str]:
    """Return the names of the steps that somebody in these roles may take from a state."""
    return [step.name for step in STEPS if state in step.before and step.who & set(roles)]


def by_clock(
    said: str, starts_at: datetime | None, ends_at: datetime | None, moment: datetime
) -> State:
    """Return the state of a campaign of which the program says ``said``, at a moment.

    What is scheduled or active is told apart by its window; what is paused ends with it too.
    """
    state = State(said)
    if state not in {*_RUNNING}:
        return state
    if ends_at is not None and ends_at <= moment:
        return State.ENDED
    if state == State.PAUSED:
        return state
    is_early = starts_at is not None and moment < starts_at
    return State.SCHEDULED if is_early else State.ACTIVE
