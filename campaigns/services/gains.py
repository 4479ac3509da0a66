"""What a member gained towards a tier, read only where it can matter.

Most members are far below the next threshold, or hold the highest tier for good: for them the sum
of what they gained says enough, and the instants of it are never looked at.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import Any

from members.grading import Gain, Grading, Standing
from members.services.tiers import read_gains


class Gains:
    """Gains as ``tiers_gained`` gave them, and those that have been added since."""

    __slots__ = ("_added", "_read", "_rows", "rises")

    def __init__(self, rows: Sequence[Sequence[Any]] = ()) -> None:
        self._rows = rows
        self._added: list[Gain] = []
        self._read: list[Gain] | None = None
        # A figure that no window's value can pass.
        self.rises = sum(points for _, points in rows if points > 0)

    def add(self, gain: Gain) -> None:
        """Add what has just been gained."""
        self.rises += max(gain.points, 0)
        if self._read is None:
            self._added.append(gain)
        else:
            insort(self._read, gain)

    @property
    def read(self) -> list[Gain]:
        """Return all of them, oldest first."""
        if self._read is None:
            self._read = sorted([*read_gains(self._rows), *self._added])
        return self._read

    def move_nobody(self, grading: Grading, standings: Sequence[Standing], gain: Gain) -> bool:
        """Return whether ``regrade`` from the gain on would leave the timeline as it is.

        False says nothing. True where the latest standing holds by then and never ends, and
        all gains together are below the threshold of the rung above, if there is one.
        """
        held = standings[-1]
        if held.valid_until is not None or gain.occurred_at < held.starts_at:
            return False
        rungs = grading.ladder.rungs
        above = grading.ladder.position(held.tier) + 1
        return above == len(rungs) or self.rises < rungs[above].threshold
