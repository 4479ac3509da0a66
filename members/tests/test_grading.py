"""The timeline of a member's tier: reached, kept, renewed and lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from members import grading
from members.grading import Gain, Grading, Ladder, Policy, Rung, Standing

UTC_ZONE = ZoneInfo("UTC")
LADDER = Ladder((Rung("bronze", 0), Rung("silver", 500), Rung("gold", 2000)))
RULES = Grading(LADDER, Policy(months=12, downgrade="one_step", grace_days=30), UTC_ZONE)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ENROLLED = at("2024-01-01")
LATER = at("2030-01-01")


def grade(gains: list[Gain], until: datetime = LATER, rules: Grading = RULES) -> list[Standing]:
    start = grading.enrolled(rules.ladder, ENROLLED)
    return grading.regrade(rules, [start], gains, ENROLLED, until)


def path(standings: list[Standing]) -> list[tuple[str, str, str]]:
    return [
        (each.tier, each.evidence["cause"], each.starts_at.strftime("%Y-%m-%d"))
        for each in standings
    ]


@pytest.mark.parametrize(
    ("_case", "gains", "expected"),
    [
        ("nothing gained", [], []),
        ("one below the threshold", [Gain(at("2024-02-01"), 499)], []),
        (
            "exactly the threshold",
            [Gain(at("2024-02-01"), 500)],
            [("silver", "reached", "2024-02-01"), ("bronze", "fallen", "2025-03-03")],
        ),
        (
            "two gains together",
            [Gain(at("2024-02-01"), 300), Gain(at("2024-03-01"), 200)],
            [("silver", "reached", "2024-03-01"), ("bronze", "fallen", "2025-03-31")],
        ),
        (
            "the first has left the window",
            [Gain(at("2024-02-01"), 300), Gain(at("2025-02-01"), 200)],
            [],
        ),
        (
            "straight to the highest rung, then down step by step",
            [Gain(at("2024-02-01"), 2500)],
            [
                ("gold", "reached", "2024-02-01"),
                ("silver", "fallen", "2025-03-03"),
                ("bronze", "fallen", "2026-04-02"),
            ],
        ),
        (
            "a gain while holding does not extend, the window at the end renews",
            [Gain(at("2024-02-01"), 500), Gain(at("2024-12-01"), 500)],
            [
                ("silver", "reached", "2024-02-01"),
                ("silver", "renewed", "2025-02-01"),
                ("bronze", "fallen", "2026-03-03"),
            ],
        ),
        (
            "a gain at the very end is still in the window",
            [Gain(at("2024-02-01"), 500), Gain(at("2025-02-01"), 500)],
            [
                ("silver", "reached", "2024-02-01"),
                ("silver", "renewed", "2025-02-01"),
                ("bronze", "fallen", "2026-03-03"),
            ],
        ),
        (
            "a gain during the grace renews from its own moment",
            [Gain(at("2024-02-01"), 500), Gain(at("2025-02-20"), 500)],
            [
                ("silver", "reached", "2024-02-01"),
                ("silver", "renewed", "2025-02-20"),
                ("bronze", "fallen", "2026-03-22"),
            ],
        ),
        (
            "too little during the grace does not",
            [Gain(at("2024-02-01"), 500), Gain(at("2025-02-20"), 499)],
            [("silver", "reached", "2024-02-01"), ("bronze", "fallen", "2025-03-03")],
        ),
        (
            "a gain during the grace may reach higher",
            [Gain(at("2024-02-01"), 500), Gain(at("2025-02-20"), 2000)],
            [
                ("silver", "reached", "2024-02-01"),
                ("gold", "reached", "2025-02-20"),
                ("silver", "fallen", "2026-03-22"),
                ("bronze", "fallen", "2027-04-21"),
            ],
        ),
        (
            "a gain after the fall climbs again",
            [Gain(at("2024-02-01"), 500), Gain(at("2025-04-01"), 500)],
            [
                ("silver", "reached", "2024-02-01"),
                ("bronze", "fallen", "2025-03-03"),
                ("silver", "reached", "2025-04-01"),
                ("bronze", "fallen", "2026-05-01"),
            ],
        ),
    ],
)
def test_the_tier_follows_what_was_gained(
    _case: str, gains: list[Gain], expected: list[tuple[str, str, str]]
) -> None:
    timeline = grade(gains)

    assert path(timeline) == [("bronze", "enrolled", "2024-01-01"), *expected]


def test_recompute_falls_to_the_rung_of_the_value() -> None:
    rules = Grading(LADDER, Policy(12, "recompute", 0), UTC_ZONE)

    timeline = grade([Gain(at("2024-02-01"), 2500)], rules=rules)

    assert [each.tier for each in timeline] == ["bronze", "gold", "bronze"]
    assert timeline[-1].starts_at == at("2025-02-01")


def test_a_tier_that_is_never_lost_has_no_end() -> None:
    rules = Grading(LADDER, Policy(12, "none", 30), UTC_ZONE)

    timeline = grade([Gain(at("2024-02-01"), 500)], rules=rules)

    assert [(each.tier, each.valid_until) for each in timeline] == [
        ("bronze", None),
        ("silver", None),
    ]


def test_evidence_says_why() -> None:
    reached = grade([Gain(at("2024-02-01"), 520)])[1]

    assert reached.evidence == {
        "cause": "reached",
        "from_tier": "bronze",
        "value": 520,
        "threshold": 500,
        "window_from": "2023-02-01T00:00:00+00:00",
        "window_to": "2024-02-01T00:00:00+00:00",
    }
    assert reached.valid_until == at("2025-02-01")


def test_months_are_counted_on_the_wall_clock_of_the_program() -> None:
    rules = Grading(LADDER, Policy(6, "one_step", 0), ZoneInfo("Europe/Lisbon"))

    timeline = grade([Gain(at("2024-02-15T12:00"), 500)], rules=rules)

    assert timeline[1].valid_until == at("2024-08-15T11:00")


def test_a_year_from_29_february_ends_on_the_28th() -> None:
    timeline = grade([Gain(at("2024-02-29T10:00"), 500)], until=at("2024-03-01"))

    assert timeline[-1].valid_until == at("2025-02-28T10:00")


def test_a_late_purchase_regrades_from_its_own_moment() -> None:
    gains = [Gain(at("2024-03-01"), 300), Gain(at("2024-06-01"), 300)]
    before = grade(gains, until=at("2024-07-01"))
    late = Gain(at("2024-04-01"), 250)

    after = grading.regrade(RULES, before, [*gains, late], late.occurred_at, at("2024-07-01"))

    assert path(before)[1:] == [("silver", "reached", "2024-06-01")]
    assert path(after) == [
        ("bronze", "enrolled", "2024-01-01"),
        ("silver", "reached", "2024-04-01"),
    ]


def test_a_late_purchase_does_not_lower_what_a_return_left_standing() -> None:
    gains = [Gain(at("2024-03-01"), 600)]
    before = grade(gains, until=at("2024-07-01"))
    returned = [Gain(at("2024-03-01"), 100), Gain(at("2024-02-01"), 50)]

    after = grading.regrade(RULES, before, returned, at("2024-02-01"), at("2024-07-01"))

    assert path(after)[1:] == [("silver", "reached", "2024-03-01")]


def test_a_purchase_from_before_enrollment_lifts_from_enrollment() -> None:
    start = grading.enrolled(LADDER, ENROLLED)
    claimed = [Gain(at("2023-12-20"), 700)]

    after = grading.regrade(RULES, [start], claimed, at("2023-12-20"), at("2024-02-01"))

    assert [(each.tier, each.starts_at) for each in after] == [("silver", ENROLLED)]
    assert after[0].evidence["from_tier"] == "bronze"


def test_no_standing_is_ever_empty() -> None:
    gains = [Gain(ENROLLED, 500)]

    timeline = grade(gains, until=at("2024-02-01"))

    assert [(each.tier, each.starts_at) for each in timeline] == [("silver", ENROLLED)]


def test_a_member_without_any_standing_cannot_be_graded() -> None:
    with pytest.raises(ValueError, match="without any standing"):
        grading.regrade(RULES, [], [], ENROLLED, LATER)


@pytest.mark.parametrize(
    ("_case", "moment", "tier"),
    [
        ("before enrollment", "2023-06-01", "bronze"),
        ("at enrollment", "2024-01-01", "bronze"),
        ("before the tier", "2024-01-31", "bronze"),
        ("at the moment it is reached: still the one before", "2024-02-01", "bronze"),
        ("just after", "2024-02-01T00:00:00.000001", "silver"),
    ],
)
def test_a_purchase_is_judged_by_the_tier_before_it(_case: str, moment: str, tier: str) -> None:
    timeline = grade([Gain(at("2024-02-01"), 500)], until=at("2024-03-01"))

    assert grading.tier_at(timeline, at(moment)) == tier


def test_a_tier_reached_at_enrollment_does_not_judge_the_purchase_that_reached_it() -> None:
    timeline = grade([Gain(ENROLLED, 500)], until=at("2024-02-01"))

    assert grading.tier_at(timeline, ENROLLED) == "bronze"
    assert grading.tier_at([], ENROLLED) is None


@pytest.mark.parametrize(
    ("_case", "now", "value", "missing_to_gold"),
    [
        ("both gains in the window", "2024-06-01", 700, 1300),
        ("the first leaves after a year", "2025-02-01", 100, 1900),
        ("in the grace", "2025-02-10", 100, 1900),
    ],
)
def test_progress_tells_what_is_missing(
    _case: str, now: str, value: int, missing_to_gold: int
) -> None:
    gains = [Gain(at("2024-02-01"), 600), Gain(at("2024-05-01"), 100)]
    silver = grade(gains, until=at("2024-06-01"))[-1]

    progress = grading.progress(RULES, silver, gains, at(now))

    assert progress.value == value
    assert progress.next == grading.Next("gold", 2000, missing_to_gold)
    # Only the second gain is in the window that ends when the tier is compared.
    assert progress.keep == grading.Keep(500, 400, at("2025-02-01"))


def test_progress_of_the_lowest_and_the_highest_rung() -> None:
    bronze = grading.enrolled(LADDER, ENROLLED)
    gold = grade([Gain(at("2024-02-01"), 2000)], until=at("2024-03-01"))[-1]

    low = grading.progress(RULES, bronze, [], at("2024-03-01"))
    high = grading.progress(RULES, gold, [Gain(at("2024-02-01"), 2000)], at("2024-03-01"))

    assert (low.value, low.next, low.keep) == (0, grading.Next("silver", 500, 500), None)
    # The gain that reached the tier is not in the window that ends when it must be kept.
    assert (high.value, high.next) == (2000, None)
    assert high.keep == grading.Keep(2000, 2000, at("2025-02-01"))
    assert (high.window_from, high.window_to) == (at("2023-03-01"), at("2024-03-01"))


@pytest.mark.parametrize(
    ("_case", "rungs"),
    [
        ("none", ()),
        ("falling", (Rung("a", 5), Rung("b", 0))),
        ("equal", (Rung("a", 0), Rung("b", 0))),
    ],
)
def test_a_ladder_rises(_case: str, rungs: tuple[Rung, ...]) -> None:
    with pytest.raises(ValueError, match="rising thresholds"):
        Ladder(rungs)


GAINS = st.lists(
    st.builds(
        Gain,
        st.integers(0, 1500).map(lambda days: ENROLLED + timedelta(days=days)),
        st.integers(1, 900),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(gains=GAINS.filter(bool), late=st.integers(0, 24))
def test_a_purchase_that_arrives_late_ends_as_if_it_had_come_in_time(
    gains: list[Gain], late: int
) -> None:
    missing = gains[late % len(gains)]
    others = [gain for gain in gains if gain is not missing]
    before = grade(others)

    tail = grading.regrade(RULES, before, gains, missing.occurred_at, LATER)

    kept = [each for each in before if each.starts_at < tail[0].starts_at]
    assert path([*kept, *tail]) == path(grade(gains))


@settings(max_examples=60)
@given(gains=GAINS)
def test_standings_follow_each_other_and_end_only_by_their_rules(gains: list[Gain]) -> None:
    timeline = grade(gains)

    for earlier, later in pairwise(timeline):
        assert earlier.starts_at < later.starts_at
        cause = later.evidence["cause"]
        steps = LADDER.position(later.tier) - LADDER.position(earlier.tier)
        assert (cause == "reached") == (steps > 0)
        assert (cause == "fallen") == (steps < 0)
        if cause == "fallen":
            assert earlier.valid_until is not None
            assert later.starts_at == earlier.valid_until + timedelta(days=30)
        else:
            assert later.evidence["value"] >= later.evidence["threshold"]


@settings(max_examples=60)
@given(gains=GAINS, pause=st.integers(0, 2000))
def test_grading_in_two_steps_is_grading_in_one(gains: list[Gain], pause: int) -> None:
    middle = ENROLLED + timedelta(days=pause)
    known = [gain for gain in gains if gain.occurred_at <= middle]
    first = grade(known, until=middle)

    second = grading.regrade(RULES, first, gains, middle, LATER)

    assert [*first[:-1], *second] == grade(gains)
