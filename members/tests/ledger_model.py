"""A small second opinion on what becomes of one member's points, in plain Python.

It knows lots, holds and debt, and nothing of accounts, entries or transactions. Instants are
whole hours, so that a failing example reads easily.
"""

from __future__ import annotations

from dataclasses import dataclass, field

GRACE_DAYS = 30
DAY = 24


@dataclass
class Lot:
    """Points with one end; ``earn`` is the purchase that they come from, if any."""

    number: int
    earn: int | None
    points: int
    remaining: int
    earned_at: int
    available_at: int
    expires_at: int | None
    is_pending: bool


@dataclass
class Hold:
    """Points set aside: what was taken from which lot."""

    taken: list[tuple[Lot, int]]
    expires_at: int


@dataclass
class Model:
    """One member."""

    lots: list[Lot] = field(default_factory=list)
    holds: dict[int, Hold] = field(default_factory=dict)
    debt: int = 0
    owing_since: int = 0
    expired: int = 0

    def balance(self, *, is_pending: bool) -> int:
        """Return what the open lots hold."""
        return sum(lot.remaining for lot in self.lots if lot.is_pending == is_pending)

    def held(self) -> int:
        """Return what is set aside."""
        return sum(points for hold in self.holds.values() for _lot, points in hold.taken)

    def earn(self, lot: Lot) -> None:
        """Add the points of a purchase."""
        self._open(lot)

    def take(self, points: int) -> list[tuple[Lot, int]]:
        """Take available points: soonest end first, no end last, then the oldest lot."""
        return self._take(self.in_order(), points)

    def in_order(self) -> list[Lot]:
        """Return the available lots in the order in which they are taken."""
        return sorted((lot for lot in self.lots if not lot.is_pending), key=_soonest_end)

    def claw_back(self, earn: int, points: int, limit: int, now: int) -> list[tuple[Lot, int]]:
        """Take back an earn: what is pending, what came from it, anything, then debt."""
        own = [lot for lot in self.lots if lot.earn == earn]
        pending = [lot for lot in own if lot.is_pending]
        available = sorted((lot for lot in own if not lot.is_pending), key=_soonest_end)
        others = [lot for lot in self.in_order() if lot.earn != earn]
        taken = self._take([*pending, *available, *others], points)
        owed = min(points - sum(part for _lot, part in taken), limit - self.debt)
        if owed > 0:
            self.debt += owed
            self.owing_since = now
        return taken

    def give_back(self, taken: list[tuple[Lot, int]], at: int) -> None:
        """Return points to their lots, or with grace to a new one; debt is paid first."""
        if self.debt:
            at = max(at, self.owing_since)
        for lot, points in sorted(taken, key=lambda pair: _soonest_end(pair[0])):
            if lot.expires_at is not None and lot.expires_at <= at:
                ends_at = (at // DAY + GRACE_DAYS + 1) * DAY
                self._open(Lot(0, lot.earn, points, points, at, at, ends_at, is_pending=False))
            else:
                lot.remaining += points - self._pay(points)

    def settle(self, now: int) -> None:
        """Do what is due: lapsed holds and activations as they come, then expiry."""
        lapsed = [(h.expires_at, 0, key) for key, h in self.holds.items() if h.expires_at <= now]
        waiting = {
            (lot.available_at, 1, 0)
            for lot in self.lots
            if lot.is_pending and lot.remaining and lot.available_at <= now
        }
        for at, _after_holds, key in sorted([*lapsed, *waiting]):
            if key:
                self.give_back(self.holds.pop(key).taken, at)
            else:
                self._activate(at)
        for lot in self.lots:
            is_over = lot.expires_at is not None and lot.expires_at <= now
            if is_over and not lot.is_pending:
                self.expired += lot.remaining
                lot.remaining = 0

    def _activate(self, at: int) -> None:
        due = [lot for lot in self.lots if lot.is_pending and lot.available_at == at]
        moved_at = max(at, self.owing_since) if self.debt else at
        for lot in sorted(due, key=_soonest_end):
            points, lot.remaining = lot.remaining, 0
            if points:
                self._open(
                    Lot(0, lot.earn, points, points, moved_at, at, lot.expires_at, is_pending=False)
                )

    def _open(self, lot: Lot) -> None:
        lot.number = len(self.lots)
        if not lot.is_pending:
            lot.remaining -= self._pay(lot.points)
        self.lots.append(lot)

    def _pay(self, points: int) -> int:
        paid = min(points, self.debt)
        self.debt -= paid
        return paid

    @staticmethod
    def _take(lots: list[Lot], points: int) -> list[tuple[Lot, int]]:
        taken = []
        for lot in lots:
            part = min(lot.remaining, points)
            if part:
                lot.remaining -= part
                points -= part
                taken.append((lot, part))
        return taken


class LatestEndFirst(Model):
    """The model with one mistake, for the control: it takes the points that last longest."""

    def in_order(self) -> list[Lot]:
        """Return the available lots in the wrong order."""
        return super().in_order()[::-1]


def _soonest_end(lot: Lot) -> tuple[bool, int, int]:
    return lot.expires_at is None, lot.expires_at or 0, lot.number
