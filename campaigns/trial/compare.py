"""Replays members under two documents side by side, and sums up what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from heapq import nlargest
from typing import Any, Final, NamedTuple

from .book import Book, repriced
from .bootstrap import BLOCKS, Blocks, block_of
from .history import Bought, Happened, Story
from .run import Run
from .shared import Rooms

TOP: Final = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """Two documents and the window in which the second one holds; before it the first does."""

    before: Book
    after: Book
    starts_at: datetime | None
    ends_at: datetime
    keeps_awards: bool = False

    @classmethod
    def of(
        cls, before: Book, after: Book, *, starts_at: datetime | None, ends_at: datetime
    ) -> Plan:
        """Return the plan, rewards of the second priced in proportion to the first.

        What the second asks about the past is kept under the first already.
        """
        windows = before.windows | after.windows
        priced = replace(repriced(after, before), windows=windows)
        return cls(replace(before, windows=windows), priced, starts_at, ends_at)


class Pair(NamedTuple):
    """One member at the end of both replays."""

    before: Run
    after: Run


def replay(
    plan: Plan,
    story: Story,
    rooms: tuple[Rooms, Rooms] | None = None,
) -> Pair:
    """Return the member at the end of the window, under each of the documents.

    ``rooms`` are what shared limits had left for the member, under each.
    """
    first, second = rooms or ({}, {})
    before = Run(plan.before, story.person, first)
    before.keeps_awards = plan.keeps_awards
    after: Run | None = None
    if plan.starts_at is None:
        after = Run(plan.after, story.person, second)
        after.judging = before.judging
    for fact in story.facts:
        at = fact.facts.occurred_at if isinstance(fact, Bought | Happened) else fact.occurred_at
        if at >= plan.ends_at:
            continue
        if after is None and plan.starts_at is not None and at >= plan.starts_at:
            before.due(fact.order.recorded_at)
            after = before.fork(plan.after, second)
            before.begin()
        before.meet(fact)
        if after is not None:
            after.meet(fact)
    if after is None:
        after = before.fork(plan.after, second)
        before.begin()
    for run in (before, after):
        run.due(plan.ends_at)
    return Pair(before, after)


@dataclass
class Side:
    """Sums over all members under one document; points by currency, money in the program's."""

    given: Counter[str] = field(default_factory=Counter)
    taken_back: Counter[str] = field(default_factory=Counter)
    expired: Counter[str] = field(default_factory=Counter)
    forgiven: Counter[str] = field(default_factory=Counter)
    outstanding: Counter[str] = field(default_factory=Counter)
    debt: Counter[str] = field(default_factory=Counter)
    by_rule: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_month: Counter[str] = field(default_factory=Counter)
    by_tier: Counter[str] = field(default_factory=Counter)
    grants: Counter[str] = field(default_factory=Counter)
    redeemed: int = 0
    pieces: int = 0
    missed: int = 0
    cost: Decimal = Decimal(0)
    liability: Decimal = Decimal(0)

    def add(self, run: Run) -> None:
        """Count one member."""
        tally = run.tally
        self.given.update(tally.given)
        self.taken_back.update(tally.taken_back)
        self.by_rule.update(tally.by_rule)
        self.by_month.update(tally.by_month)
        self.grants.update(tally.grants)
        for code, holding in run.holdings.items():
            self.expired[code] += run.expired(code)
            self.forgiven[code] += run.forgiven(code)
            self.outstanding[code] += holding.outstanding
            self.debt[code] += holding.debt
            self.liability += holding.outstanding * holding.coin.value
        self.by_tier[run.tier] += 1
        self.redeemed += tally.redeemed
        self.pieces += tally.pieces
        self.missed += tally.missed
        self.cost += tally.cost

    def merge(self, other: Side) -> None:
        """Add the sums over other members."""
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        self.redeemed += other.redeemed
        self.pieces += other.pieces
        self.missed += other.missed
        self.cost += other.cost
        self.liability += other.liability

    def as_json(self) -> dict[str, Any]:
        """Return the sums as a report keeps them."""
        return {
            "given": dict(sorted(self.given.items())),
            "taken_back": dict(sorted(self.taken_back.items())),
            "expired": dict(sorted(self.expired.items())),
            "forgiven": dict(sorted(self.forgiven.items())),
            "outstanding": dict(sorted(self.outstanding.items())),
            "debt": dict(sorted(self.debt.items())),
            "by_rule": [
                {"rule": rule, "currency": currency, "points": points}
                for (rule, currency), points in sorted(self.by_rule.items())
            ],
            "by_month": dict(sorted(self.by_month.items())),
            "by_tier": dict(sorted(self.by_tier.items())),
            "grants": dict(sorted(self.grants.items())),
            "redeemed": self.redeemed,
            "pieces": self.pieces,
            "missed": self.missed,
            "cost": str(self.cost),
            "liability": str(self.liability),
        }


_COUNTERS: Final = (
    "given",
    "taken_back",
    "expired",
    "forgiven",
    "outstanding",
    "debt",
    "by_rule",
    "by_month",
    "by_tier",
    "grants",
)


class Mover(NamedTuple):
    """A member for whom something changes: what their points and rewards are worth, in money."""

    worth: Decimal
    number: str
    points: int


@dataclass
class Comparison:
    """What differs between the two documents, over all members that were replayed.

    A member's worth is what they redeemed and what they hold at the end, in money. Only the
    sums are kept, so that a million members need no more memory than one.
    """

    default: str
    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    members: int = 0
    purchases: int = 0
    net: Decimal = Decimal(0)
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    segments: dict[str, list[int]] = field(default_factory=dict)
    segment_worth: dict[str, Decimal] = field(default_factory=dict)
    changes: Counter[Decimal] = field(default_factory=Counter)
    winners: list[Mover] = field(default_factory=list)
    losers: list[Mover] = field(default_factory=list)
    blocks: Blocks = field(default_factory=lambda: Blocks(BLOCKS))

    def add(self, pair: Pair) -> None:
        """Count one member."""
        before, after = pair
        person = before.person
        self.before.add(before)
        self.after.add(after)
        self.members += 1
        self.purchases += before.tally.purchases
        self.net += before.tally.net
        self.moves[before.tier, after.tier] += 1
        given = _given(after, self.default) - _given(before, self.default)
        worth = worth_of(after) - worth_of(before)
        for segment in person.facts.segments:
            figures = self.segments.setdefault(segment, [0, 0])
            figures[0] += 1
            figures[1] += given
            self.segment_worth[segment] = self.segment_worth.get(segment, Decimal(0)) + worth
        liability = _liability(after) - _liability(before)
        self.blocks.add(block_of(person.number), given, liability)
        if worth:
            self.changes[worth] += 1
            held = _held(after, self.default) - _held(before, self.default)
            self._rank(Mover(worth, person.number, held))

    def _rank(self, mover: Mover) -> None:
        listed = self.winners if mover.worth > 0 else self.losers
        listed.append(mover)
        if len(listed) > 20 * TOP:
            self._trim()

    def _trim(self) -> None:
        self.winners = nlargest(TOP, self.winners, key=_size)
        self.losers = nlargest(TOP, self.losers, key=_size)

    def merge(self, other: Comparison) -> None:
        """Add what was counted of other members."""
        self.before.merge(other.before)
        self.after.merge(other.after)
        self.members += other.members
        self.purchases += other.purchases
        self.net += other.net
        self.moves.update(other.moves)
        for code, (members, points) in other.segments.items():
            figures = self.segments.setdefault(code, [0, 0])
            figures[0] += members
            figures[1] += points
        for code, worth in other.segment_worth.items():
            self.segment_worth[code] = self.segment_worth.get(code, Decimal(0)) + worth
        self.changes.update(other.changes)
        self.winners += other.winners
        self.losers += other.losers
        self.blocks.merge(other.blocks)
        self._trim()

    def as_json(self, *, seed: int) -> dict[str, Any]:
        """Return the figures as a report keeps them; money and points are exact."""
        self._trim()
        return {
            "members": self.members,
            "purchases": self.purchases,
            "net": str(self.net),
            "currency": self.default,
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "tier_moves": [
                {"before": before, "after": after, "members": members}
                for (before, after), members in sorted(self.moves.items())
            ],
            "segments": [
                {
                    "code": code,
                    "members": members,
                    "points": points,
                    "worth": str(self.segment_worth[code]),
                }
                for code, (members, points) in sorted(self.segments.items())
            ],
            "winners": _movers(self.changes, self.winners, sign=1),
            "losers": _movers(self.changes, self.losers, sign=-1),
            "ranges": self.blocks.ranges(seed=seed),
        }


def _size(mover: Mover) -> tuple[Decimal, int, str]:
    return abs(mover.worth), abs(mover.points), mover.number


def _movers(
    changes: Mapping[Decimal, int], listed: Sequence[Mover], *, sign: int
) -> dict[str, Any]:
    sizes = {abs(worth): count for worth, count in changes.items() if worth * sign > 0}
    return {
        "count": sum(sizes.values()),
        "median": str(_median(sizes)),
        "top": [
            {"number": each.number, "worth": str(each.worth), "points": each.points}
            for each in listed
        ],
    }


def _median(sizes: Mapping[Decimal, int]) -> Decimal:
    """Return the median of values that come so many times; the lower middle of an even number."""
    total, seen = sum(sizes.values()), 0
    for size in sorted(sizes):
        seen += sizes[size]
        if 2 * seen >= total:
            return size
    return Decimal(0)


def _given(run: Run, code: str) -> int:
    return run.tally.given.get(code, 0) - run.tally.taken_back.get(code, 0)


def _held(run: Run, code: str) -> int:
    return run.holdings[code].outstanding - run.holdings[code].debt


def worth_of(run: Run) -> Decimal:
    """Return what a member redeemed in the window and what they hold at its end, in money."""
    return run.tally.worth + sum(
        (each.outstanding - each.debt) * each.coin.value for each in run.holdings.values()
    )


def _liability(run: Run) -> Decimal:
    return sum((each.outstanding * each.coin.value for each in run.holdings.values()), Decimal(0))
