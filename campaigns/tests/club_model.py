"""A second opinion on what a club owes its members, in plain Python.

It is told the same acts and knows neither accounts nor lots: a member has points in four states,
what waits and what is held each under the name of what it came from. Where points never end it
says every figure in advance. Where they end it is told how many did, and says what all of them
together must be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction


@dataclass
class Waiting:
    """Points that are not available yet; ``until`` None is for the hand of staff."""

    points: int
    until: datetime | None


@dataclass
class Held:
    """Points set aside until an instant."""

    points: int
    until: datetime


@dataclass
class Purse:
    """What one member has, in points."""

    available: int = 0
    debt: int = 0
    status: int = 0
    waiting: dict[str, Waiting] = field(default_factory=dict)
    holds: dict[str, Held] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Return what waits."""
        return sum(each.points for each in self.waiting.values())

    @property
    def held(self) -> int:
        """Return what is set aside."""
        return sum(each.points for each in self.holds.values())

    @property
    def worth(self) -> int:
        """Return everything less what is owed."""
        return self.available + self.pending + self.held - self.debt

    def give(self, points: int) -> None:
        """Add available points; a debt is paid first."""
        paid = min(points, self.debt)
        self.debt -= paid
        self.available += points - paid

    def settle(self, now: datetime) -> None:
        """Do what is due."""
        for name, hold in list(self.holds.items()):
            if hold.until <= now:
                del self.holds[name]
                self.give(hold.points)
        for name, each in list(self.waiting.items()):
            if each.until is not None and each.until <= now:
                del self.waiting[name]
                self.give(each.points)

    def adopt(self, *, available: int, pending: int, debt: int) -> None:
        """Take the figures of the books over, where the model cannot know how much has ended."""
        self.available, self.debt = available, debt
        self.waiting = {"": Waiting(pending, None)} if pending else {}

    def wait(self, name: str, points: int, until: datetime | None) -> None:
        """Add points that wait."""
        if points:
            self.waiting[name] = Waiting(points, until)

    def release(self, name: str) -> None:
        """Make available what waits under the name."""
        if name in self.waiting:
            self.give(self.waiting.pop(name).points)

    def take(self, points: int) -> int:
        """Take what is available of so many points; return how many were."""
        taken = min(points, self.available)
        self.available -= taken
        return taken

    def claw_back(self, name: str, points: int, policy: str, limit: int) -> dict[str, int]:
        """Take back points of a purchase: what waits, what is available, then debt."""
        waits = self.waiting.get(name)
        from_pending = min(points, waits.points) if waits else 0
        if waits and from_pending:
            waits.points -= from_pending
            if not waits.points:
                del self.waiting[name]
        left = points - from_pending
        from_available = 0 if policy == "only_pending" else self.take(left)
        left -= from_available
        to_debt = min(left, max(limit - self.debt, 0)) if policy == "into_debt" else 0
        self.debt += to_debt
        return {
            "from_pending": from_pending,
            "from_available": from_available,
            "to_debt": to_debt,
            "forgiven": left - to_debt,
        }


@dataclass
class Line:
    """A line of a purchase: its net in whole euros, what each award gave it, and its pieces."""

    net: int
    awards: list[int]
    status: int
    bought: Fraction
    returned: Fraction = Fraction(0)

    @property
    def points(self) -> int:
        """Return what all awards gave it."""
        return sum(self.awards)

    @property
    def left(self) -> Fraction:
        """Return the pieces that did not come back."""
        return self.bought - self.returned


@dataclass
class Bought:
    """A purchase: what it gave, and what has come back of it."""

    name: str
    member: int
    lines: dict[str, Line]
    paid_with: str = ""
    taken_back: int = 0

    @property
    def granted(self) -> int:
        """Return the points that all of it gave."""
        return sum(line.points for line in self.lines.values())

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is left of it."""
        return not any(line.left for line in self.lines.values())

    def share_returned(self) -> Fraction:
        """Return the part of its net that has come back."""
        if self.is_whole:
            return Fraction(1)
        net = sum(line.net for line in self.lines.values())
        back = sum(line.net * line.returned / line.bought for line in self.lines.values())
        return Fraction(back, net)

    def bring_back(self, parts: dict[str, Fraction]) -> tuple[int, int]:
        """Note what comes back; return the points and the status points that it takes."""
        points = status = 0
        for name, pieces in parts.items():
            line = self.lines[name]
            before, line.returned = line.returned, line.returned + pieces
            for award in line.awards:
                points += _share(award, line) - _share(award, line, before)
            status += _share(line.status, line) - _share(line.status, line, before)
        self.taken_back += points
        return points, status


def _share(points: int, line: Line, returned: Fraction | None = None) -> int:
    part = points * (line.returned if returned is None else returned) / line.bought
    return part.numerator // part.denominator


@dataclass
class Redeemed:
    """A redemption: ``pieces`` at ``price``; what came back of it."""

    name: str
    member: int
    pieces: int
    price: int
    is_held: bool
    given_back: int = 0
    is_over: bool = False
    pays_for: str = ""

    @property
    def points(self) -> int:
        """Return what it costs."""
        return self.pieces * self.price

    def goes_back(self, share: Fraction) -> int:
        """Return what goes back when such a share of the order has come back, and note it."""
        whole = self.points * share
        points = max(whole.numerator // whole.denominator - self.given_back, 0)
        self.given_back += points
        return points
