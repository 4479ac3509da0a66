"""What one member holds of one redeemable point currency: lots, debt and what became of them.

It follows the order in which ``ledger_settle_due`` posts: activations by their instant, each
paying debt first, then what has expired.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.clawback import Clawback, OpenLot, claw_back
from members import lots

from .book import Coin

_NEVER: Final = datetime.max.replace(tzinfo=UTC)

Origin = tuple[int, int]


@dataclass(slots=True)
class Lot:
    """Points that were given together; ``origin`` names what gave them, by kind and row."""

    origin: Origin
    points: int
    remaining: int
    earned_at: datetime
    available_at: datetime
    expires_at: datetime | None
    renew_months: int | None = None
    waits_for: str = ""
    expired: int = 0


@dataclass(slots=True)
class Taken:
    """What a debit took of which lots, so that it can be given back."""

    asked: int
    points: int
    parts: list[tuple[Lot, int]]


class Holding:
    """The lots of one member in one currency, and sums of what became of points."""

    __slots__ = (
        "_counted",
        "_of_origin",
        "active_on",
        "coin",
        "debt",
        "expired",
        "forgiven",
        "lots",
        "pending",
        "zone",
    )

    def __init__(self, coin: Coin, zone: ZoneInfo) -> None:
        self.coin = coin
        self.zone = zone
        self.lots: list[Lot] = []
        self.pending: list[Lot] = []
        self.debt = 0
        self.active_on: date | None = None
        self.expired = 0
        self.forgiven = 0
        # Expired points that earlier returns of an origin have counted as taken back.
        self._counted: dict[Origin, int] = {}
        self._of_origin: dict[Origin, list[Lot]] = {}

    def fork(self, coin: Coin, copies: dict[int, Lot]) -> Holding:
        """Return the same under another document's terms; neither changes the other.

        ``copies`` is filled with the copy of each lot by the ``id`` of the one it is of.
        """
        other = Holding(coin, self.zone)
        for origin, opened in self._of_origin.items():
            fresh = [replace(lot) for lot in opened]
            other._of_origin[origin] = fresh
            copies.update((id(old), new) for old, new in zip(opened, fresh, strict=True))
        other.lots = [copies[id(lot)] for lot in self.lots]
        other.pending = [copies[id(lot)] for lot in self.pending]
        other.debt, other.active_on = self.debt, self.active_on
        other.expired, other.forgiven = self.expired, self.forgiven
        other._counted = dict(self._counted)
        return other

    @property
    def available(self) -> int:
        """Return what can be redeemed, as last settled."""
        return sum(lot.remaining for lot in self.lots)

    @property
    def outstanding(self) -> int:
        """Return what the program owes: available and pending points."""
        return self.available + sum(lot.remaining for lot in self.pending)

    def settle(self, moment: datetime) -> None:
        """Make available what is due by ``moment``, and let expire what has ended."""
        if self.pending:
            self._activate(moment)
        if any(lot.expires_at is not None and lot.expires_at <= moment for lot in self.lots):
            for lot in self.lots:
                if self._end(lot) <= moment:
                    self._expire(lot)
            self.lots = [lot for lot in self.lots if lot.remaining]

    def _activate(self, moment: datetime) -> None:
        due = [lot for lot in self.pending if lot.available_at <= moment]
        for lot in sorted(due, key=lambda lot: lot.available_at):
            self.pending.remove(lot)
            self._open(lot)

    def _open(self, lot: Lot) -> None:
        paid = min(self.debt, lot.remaining)
        self.debt -= paid
        lot.remaining -= paid
        if lot.remaining:
            self.lots.append(lot)

    def _end(self, lot: Lot) -> datetime:
        return lots.end_of(lot.expires_at, lot.renew_months, self.active_on, self.zone) or _NEVER

    def _expire(self, lot: Lot) -> None:
        self.expired += lot.remaining
        lot.expired += lot.remaining
        lot.remaining = 0

    def renew(self, at: datetime) -> None:
        """Let an act of ``at`` renew the lots; what has ended before has been settled."""
        day = at.astimezone(self.zone).date()
        self.active_on = day if self.active_on is None else max(self.active_on, day)

    def add(self, lot: Lot, recorded_at: datetime) -> None:
        """Add a lot; one whose points are available by ``recorded_at`` pays debt first."""
        self._of_origin.setdefault(lot.origin, []).append(lot)
        if lot.available_at > recorded_at:
            self.pending.append(lot)
        else:
            self._open(lot)

    def release(self, origin: Origin, waits_for: str) -> None:
        """Make available what of an origin waits for this."""
        waiting = [
            lot for lot in self.pending if lot.origin == origin and lot.waits_for == waits_for
        ]
        for lot in waiting:
            self.pending.remove(lot)
            self._open(lot)

    def take(self, asked: int, points: int) -> Taken:
        """Take points, the soonest to expire first; at most what there is."""
        taken = Taken(asked, 0, [])
        for lot in sorted(self.lots, key=self._end):
            if taken.points >= points:
                break
            part = min(lot.remaining, points - taken.points)
            lot.remaining -= part
            taken.points += part
            taken.parts.append((lot, part))
        self.lots = [lot for lot in self.lots if lot.remaining]
        return taken

    def give_back(self, taken: Taken, points: int, recorded_at: datetime) -> int:
        """Give points of a debit back to its lots; return how many, scaled to what was taken."""
        left = points * taken.points // taken.asked if taken.asked else 0
        given = 0
        while taken.parts and left:
            lot, part = taken.parts.pop()
            back = min(part, left)
            left -= back
            given += back
            if part > back:
                taken.parts.append((lot, part - back))
            self._restore(lot, back, recorded_at)
        return given

    def _restore(self, lot: Lot, points: int, recorded_at: datetime) -> None:
        end = lots.with_grace(lot.expires_at, recorded_at, self.coin.grace_days, self.zone)
        paid = min(self.debt, points)
        self.debt -= paid
        if not points - paid:
            return
        if self._end(lot) > recorded_at:
            if not lot.remaining:
                self.lots.append(lot)
            lot.remaining += points - paid
            return
        fresh = Lot(lot.origin, points, points - paid, lot.earned_at, recorded_at, end)
        self._of_origin.setdefault(lot.origin, []).append(fresh)
        self.lots.append(fresh)

    def claw_back(self, origin: Origin, points: int) -> Clawback:
        """Take back what an origin gave, by the currency's policy for returns."""
        own = self._of_origin.get(origin, [])
        expired = sum(lot.expired for lot in own) - self._counted.get(origin, 0)
        waiting = set(map(id, self.pending))
        mine = {id(lot) for lot in own}
        others = [lot for lot in sorted(self.lots, key=self._end) if id(lot) not in mine]
        held = [lot for lot in own if lot.remaining]
        known: dict[int, Lot] = dict(enumerate([*held, *others]))
        described = {
            number: OpenLot(number, lot.remaining, lot.earned_at, id(lot) in waiting)
            for number, lot in known.items()
        }
        plan = claw_back(
            points,
            own=[described[number] for number in range(len(held))],
            others=[described[number] for number in range(len(held), len(known))],
            expired=max(expired, 0),
            policy=self.coin.returns_policy,
            debt_room=max(self.coin.debt_limit - self.debt, 0),
        )
        for each in plan.takes:
            known[each.lot].remaining -= each.points
        self.lots = [lot for lot in self.lots if lot.remaining]
        self.pending = [lot for lot in self.pending if lot.remaining]
        self._counted[origin] = self._counted.get(origin, 0) + plan.already_expired
        self.debt += plan.to_debt
        self.forgiven += plan.forgiven
        return plan
