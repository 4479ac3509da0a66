"""Groups by recency, frequency and money, and stages of a membership; pure.

**RFM.** Everybody who bought within the window gets three scores from 1 to 5, five the best.
The score of a value is 1 + floor(5 x members with a worse value / members): quintiles in which
equal values always share a score, the lowest that any of them would have. The mean of frequency
and money, half up, is the strength; recency and strength place a member on a board of 25 fields,
which ten groups cover without gap and without overlap.

**Stages.** Five, asked in the order of ``stage``; the first that fits is the member's.

Source of the quintiles and their use: Hughes, *Strategic Database Marketing* (1994); of the board
and the names on it: the segmentation map common in retail analytics (for example Putler, "RFM
analysis").
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

Group = Literal[
    "champions",
    "loyal",
    "potential",
    "new",
    "promising",
    "need_attention",
    "about_to_sleep",
    "at_risk",
    "cannot_lose",
    "hibernating",
]
Stage = Literal["new", "active", "loyal", "top", "silent"]

SCORE_MAX: Final = 5
# The days of the program's calendar, today the last of them, in which purchases count.
RFM_DAYS: Final = 365
ORDERS_DAYS: Final = 90

# Rows are recency from 5 down to 1, columns strength from 1 up to 5.
_BOARD: Final[tuple[tuple[Group, ...], ...]] = (
    ("new", "potential", "potential", "champions", "champions"),
    ("promising", "potential", "potential", "loyal", "loyal"),
    ("about_to_sleep", "about_to_sleep", "need_attention", "loyal", "loyal"),
    ("hibernating", "hibernating", "at_risk", "at_risk", "cannot_lose"),
    ("hibernating", "hibernating", "at_risk", "at_risk", "cannot_lose"),
)
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class Quintiles:
    """The least value of each score from 2 on; a score that nobody reached is left out.

    ``scores`` are the scores of ``floors``, both ascending.
    """

    floors: tuple[int, ...]
    scores: tuple[int, ...]

    def score(self, value: int) -> int:
        """Return the score of a value, from 1 to 5."""
        reached = bisect_right(self.floors, value)
        return self.scores[reached - 1] if reached else 1


def quintiles(values: Sequence[int]) -> Quintiles:
    """Return the quintiles of the values, of which the greater one is the better."""
    ordered = sorted(values)
    total = len(ordered)
    floors: dict[int, int] = {}
    for score in range(2, SCORE_MAX + 1):
        # The fewest members below, so that 5 x below / total reaches the score.
        below = -(-(score - 1) * total // SCORE_MAX)
        if below >= total:
            break
        value = ordered[below]
        if bisect_left(ordered, value) < below:
            after = bisect_right(ordered, value)
            if after == total:
                break
            value = ordered[after]
        # Where many share a value, the next one can jump over a score.
        floors[value] = score
    return Quintiles(tuple(floors), tuple(floors.values()))


def rfm_group(*, recency: int, frequency: int, monetary: int) -> Group:
    """Return the group of three scores from 1 to 5.

    :raises ValueError: one of them is no score.
    """
    if not all(1 <= score <= SCORE_MAX for score in (recency, frequency, monetary)):
        raise ValueError(f"scores from 1 to {SCORE_MAX}: {recency}, {frequency}, {monetary}")
    strength = (frequency + monetary + 1) // 2
    return _BOARD[SCORE_MAX - recency][strength - 1]


@dataclass(frozen=True, slots=True)
class StagePolicy:
    """When a member counts as what; days are those of the program's calendar."""

    new_days: int = 30
    loyal_days: int = 180
    loyal_orders: int = 6


def stage(
    *,
    tenure_days: int,
    orders: int,
    is_on_top: bool,
    policy: StagePolicy = StagePolicy(),
) -> Stage:
    """Return the stage of a member who enrolled so many days ago.

    ``orders`` are their purchases of the last ``ORDERS_DAYS`` that did not come back whole;
    ``is_on_top`` says whether they hold the highest tier of a ladder.
    """
    if tenure_days < policy.new_days:
        return "new"
    if orders == 0:
        return "silent"
    if is_on_top:
        return "top"
    if orders >= policy.loyal_orders and tenure_days >= policy.loyal_days:
        return "loyal"
    return "active"
