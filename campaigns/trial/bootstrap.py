"""How far a sum over members could differ by chance: a bootstrap over blocks of members.

Members are put into blocks by a hash of their number. Blocks are drawn with replacement as often
as there are blocks; the sum over the drawn ones is one possible figure. Of a thousand such
figures the middle nine tenths are the range. The draws follow from a stated seed.

Source: Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapters 6 and 13
(percentile interval); blocks keep its cost independent of the number of members.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from zlib import crc32

BLOCKS: Final = 256
DRAWS: Final = 1000
# The ends of the middle nine tenths of the draws.
_LOW: Final = DRAWS // 20
_HIGH: Final = DRAWS - DRAWS // 20 - 1


def block_of(number: str) -> int:
    """Return the block of a member; the same in every process and on every day."""
    return crc32(number.encode()) % BLOCKS


@dataclass
class Blocks:
    """Sums of the change in points given and in liability, by block of members."""

    count: int
    points: list[int] = field(default_factory=list)
    liability: list[Decimal] = field(default_factory=list)
    members: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.points = self.points or [0] * self.count
        self.liability = self.liability or [Decimal(0)] * self.count
        self.members = self.members or [0] * self.count

    def add(self, block: int, points: int, liability: Decimal) -> None:
        """Count one member."""
        self.points[block] += points
        self.liability[block] += liability
        self.members[block] += 1

    def merge(self, other: Blocks) -> None:
        """Add what was counted of other members."""
        for block in range(self.count):
            self.points[block] += other.points[block]
            self.liability[block] += other.liability[block]
            self.members[block] += other.members[block]

    def ranges(self, *, seed: int) -> dict[str, Any]:
        """Return the middle nine tenths of the drawn sums; no range below two blocks."""
        filled = [block for block in range(self.count) if self.members[block]]
        if len(filled) < 2:
            return {"seed": seed, "draws": 0, "blocks": len(filled)}
        draw = random.Random(seed)
        points, liabilities = [], []
        for _ in range(DRAWS):
            drawn = draw.choices(filled, k=len(filled))
            points.append(sum(self.points[block] for block in drawn))
            liabilities.append(sum((self.liability[block] for block in drawn), Decimal(0)))
        points.sort()
        liabilities.sort()
        return {
            "seed": seed,
            "draws": DRAWS,
            "blocks": len(filled),
            "points": [points[_LOW], points[_HIGH]],
            "liability": [str(liabilities[_LOW]), str(liabilities[_HIGH])],
        }
