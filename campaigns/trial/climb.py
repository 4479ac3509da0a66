"""A member's way over the tiers during a replay."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from datetime import datetime

from loyalty_site.lib import calendars
from members import grading
from members.grading import Gain, Grading, Standing


class Climb:
    """Standings and what they were gained with; graded by the same rules as in the database."""

    __slots__ = ("_gains", "_grading", "_rises", "standings")

    def __init__(self, rules: Grading, standings: Sequence[Standing]) -> None:
        self._grading = rules
        self.standings = list(standings)
        self._gains: list[Gain] = []
        # A figure that no window's value can pass.
        self._rises = 0

    def fork(self, rules: Grading) -> Climb:
        """Return the same way so far, to be continued under other rules.

        The tier held stays until the other rules lift the member, or compare it at its end.
        """
        other = Climb(rules, self.standings)
        other._gains = list(self._gains)
        other._rises = self._rises
        return other

    def tier_at(self, at: datetime) -> str | None:
        """Return the tier by which a fact of ``at`` is judged."""
        return grading.tier_at(self.standings, at)

    @property
    def tier(self) -> str:
        """Return the tier held now."""
        return self.standings[-1].tier

    def bring(self, until: datetime) -> None:
        """Compare the tier at every end of its validity up to ``until``."""
        held = self.standings[-1]
        if held.valid_until is not None and held.valid_until <= until:
            self._splice(self._regraded(held.starts_at, until))

    def gain(self, at: datetime, points: int, recorded_at: datetime) -> None:
        """Count qualifying points; whoever they lift is lifted from ``at`` on."""
        insort(self._gains, Gain(at, points))
        self._rises += max(points, 0)
        if not self._moves_nobody(at, recorded_at):
            self._splice(self._regraded(at, max(at, recorded_at)))

    def lose(self, at: datetime, points: int) -> None:
        """Take qualifying points back at the moment at which they were gained."""
        insort(self._gains, Gain(at, -points))

    def undo_upgrade(self, caused_at: datetime, occurred_at: datetime, days: int) -> None:
        """Take back the upgrade that a purchase of ``caused_at`` made, if it holds no longer."""
        if not days or occurred_at >= calendars.add_days_to_instant(
            caused_at, days, self._grading.zone
        ):
            return
        kept = [
            each
            for each in self.standings
            if each.starts_at != caused_at or each.evidence.get("cause") != "reached"
        ]
        if kept and len(kept) < len(self.standings):
            self.standings = kept
            self._splice(self._regraded(caused_at, occurred_at))

    def _moves_nobody(self, at: datetime, until: datetime) -> bool:
        """Return whether grading anew from ``at`` would leave the standings as they are."""
        held = self.standings[-1]
        if at < held.starts_at or (held.valid_until is not None and held.valid_until <= until):
            return False
        rungs = self._grading.ladder.rungs
        above = self._grading.ladder.position(held.tier) + 1
        return above == len(rungs) or self._rises < rungs[above].threshold

    def _regraded(self, since: datetime, until: datetime) -> list[Standing]:
        return grading.regrade(self._grading, self.standings, self._gains, since, until)

    def _splice(self, regraded: Sequence[Standing]) -> None:
        start = regraded[0].starts_at
        self.standings = [each for each in self.standings if each.starts_at < start]
        self.standings += regraded
