"""Gains that are not read leave the timeline as reading them would."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from campaigns.services.gains import Gains
from members import grading
from members.grading import Gain, Grading, Ladder, Policy, Rung, Standing
from members.services.tiers import splice

START = datetime(2026, 1, 1, tzinfo=UTC)
LADDER = Ladder((Rung("bronze", 0), Rung("silver", 100), Rung("gold", 300)))
GRADING = Grading(LADDER, Policy(12, "one_step", 30), ZoneInfo("Europe/Lisbon"))
KEEPING = Grading(LADDER, Policy(12, "none", 0), ZoneInfo("Europe/Lisbon"))


def _rows(*points: int) -> list[list[object]]:
    return [
        [(START + timedelta(days=day)).isoformat(), gained] for day, gained in enumerate(points, 1)
    ]


@pytest.mark.parametrize(
    ("points", "gained", "moves_nobody"),
    [
        pytest.param([40, 40], 19, True, id="one-point-below"),
        pytest.param([40, 40], 20, False, id="the-threshold-itself"),
        pytest.param([40, -30, 40], 20, False, id="what-went-down-is-not-counted"),
        pytest.param([], 99, True, id="the-first-gain"),
    ],
)
def test_a_gain_below_the_next_threshold_moves_nobody(
    points: list[int], gained: int, moves_nobody: bool
) -> None:
    gains = Gains(_rows(*points))
    gain = Gain(START + timedelta(days=100), gained)
    gains.add(gain)

    assert gains.move_nobody(GRADING, [Standing("bronze", START, None)], gain) is moves_nobody


@pytest.mark.parametrize(
    ("held", "at", "moves_nobody"),
    [
        pytest.param(Standing("gold", START, None), START, True, id="the-highest-for-good"),
        pytest.param(
            Standing("gold", START, START + timedelta(days=365)), START, False, id="has-an-end"
        ),
        pytest.param(
            Standing("gold", START, None), START - timedelta(days=1), False, id="before-it-began"
        ),
    ],
)
def test_only_a_standing_that_holds_for_good_is_left_alone(
    held: Standing, at: datetime, moves_nobody: bool
) -> None:
    gain = Gain(at, 1_000)
    gains = Gains()
    gains.add(gain)

    assert gains.move_nobody(GRADING, [held], gain) is moves_nobody


def test_gains_are_read_in_order_with_those_added_before_and_after() -> None:
    gains = Gains(_rows(5, 7))
    early, late = Gain(START, 1), Gain(START + timedelta(days=9), 2)

    gains.add(late)
    first = list(gains.read)
    gains.add(early)

    assert [gain.points for gain in first] == [5, 7, 2]
    assert [gain.points for gain in gains.read] == [1, 5, 7, 2]


def test_what_moves_nobody_leaves_the_timeline_as_regrading_would() -> None:
    """Ten thousand gains of members at random, with a fixed seed: many of both kinds."""
    chosen = random.Random(5)
    told = {True: 0, False: 0}
    for number in range(1_000):
        policy = (GRADING, KEEPING)[number % 2]
        gains, standings = Gains(), [grading.enrolled(LADDER, START)]
        for _ in range(10):
            at = START + timedelta(days=chosen.randrange(-5, 700))
            gain = Gain(at, chosen.randrange(1, 60))
            gains.add(gain)
            moves_nobody = gains.move_nobody(policy, standings, gain)
            told[moves_nobody] += 1
            regraded = splice(standings, grading.regrade(policy, standings, gains.read, at, at))
            if moves_nobody:
                assert regraded == standings
            standings = regraded

    assert min(told.values()) > 1_000
