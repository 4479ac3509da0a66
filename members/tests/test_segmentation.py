"""Scores, groups and stages, each value of them exactly."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from members.segmentation import GROUPS, STAGES, StagePolicy, quintiles, rfm_group, stage

FIVE = range(1, 6)
# Recency and strength of each group, the board read from the other side.
FIELDS = {
    "champions": [(5, 4), (5, 5)],
    "loyal": [(4, 4), (4, 5), (3, 4), (3, 5)],
    "potential": [(5, 2), (5, 3), (4, 2), (4, 3)],
    "new": [(5, 1)],
    "promising": [(4, 1)],
    "need_attention": [(3, 3)],
    "about_to_sleep": [(3, 1), (3, 2)],
    "at_risk": [(1, 3), (1, 4), (2, 3), (2, 4)],
    "cannot_lose": [(1, 5), (2, 5)],
    "hibernating": [(1, 1), (1, 2), (2, 1), (2, 2)],
}


def test_the_ten_groups_cover_the_board_without_gap_and_overlap() -> None:
    fields = [field for listed in FIELDS.values() for field in listed]

    assert set(FIELDS) == set(GROUPS)
    assert len(GROUPS) == 10
    assert sorted(fields) == sorted(product(FIVE, FIVE))


def test_each_of_the_125_cells_is_in_the_one_group_of_its_field() -> None:
    found = {}
    for recency, frequency, monetary in product(FIVE, repeat=3):
        strength = int((frequency + monetary) / 2 + 0.5)
        group = rfm_group(recency=recency, frequency=frequency, monetary=monetary)
        found[recency, frequency, monetary] = group
        assert [name for name, fields in FIELDS.items() if (recency, strength) in fields] == [group]

    assert len(found) == 125
    assert Counter(found.values()) == {
        "champions": 10,
        "loyal": 20,
        "potential": 28,
        "new": 1,
        "promising": 1,
        "need_attention": 9,
        "about_to_sleep": 6,
        "at_risk": 32,
        "cannot_lose": 6,
        "hibernating": 12,
    }


@pytest.mark.parametrize("scores", [(0, 1, 1), (1, 6, 1), (1, 1, -1)])
def test_what_is_no_score_has_no_group(scores: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="scores from 1 to 5"):
        rfm_group(recency=scores[0], frequency=scores[1], monetary=scores[2])


@given(st.lists(st.integers(-3, 12), min_size=1, max_size=40))
def test_a_score_is_one_and_five_times_the_part_of_members_below(values: list[int]) -> None:
    ranks = quintiles(values)

    for value in values:
        below = sum(other < value for other in values)
        assert ranks.score(value) == 1 + 5 * below // len(values)


@pytest.mark.parametrize(
    ("_case", "values", "expected"),
    [
        ("ten of a kind", [7] * 10, {7: 1}),
        ("one", [3], {3: 1}),
        ("ten that differ", range(10), {n: 1 + n // 2 for n in range(10)}),
        ("most bought once", [1, 1, 1, 1, 1, 1, 2, 2, 3, 9], {1: 1, 2: 4, 3: 5, 9: 5}),
        ("a value of nobody", [10, 20, 30, 40, 50], {5: 1, 15: 1, 25: 2, 99: 5}),
    ],
)
def test_equal_values_share_the_lowest_score_that_any_would_have(
    _case: str, values: list[int], expected: dict[int, int]
) -> None:
    ranks = quintiles(values)

    assert {value: ranks.score(value) for value in expected} == expected


@pytest.mark.parametrize(
    ("_case", "tenure", "orders", "is_on_top", "expected"),
    [
        ("the first day", 0, 0, False, "new"),
        ("new, whatever they buy", 29, 40, True, "new"),
        ("a month without a purchase", 30, 0, False, "silent"),
        ("on top, but silent", 900, 0, True, "silent"),
        ("on top", 30, 1, True, "top"),
        ("once", 30, 1, False, "active"),
        ("often, but not for long", 179, 6, False, "active"),
        ("for long, but seldom", 900, 5, False, "active"),
        ("often and for long", 180, 6, False, "loyal"),
        ("enrolled ahead", -2, 0, False, "new"),
    ],
)
def test_a_stage_follows_from_tenure_orders_and_tier(
    _case: str, tenure: int, orders: int, is_on_top: bool, expected: str
) -> None:
    assert stage(tenure_days=tenure, orders=orders, is_on_top=is_on_top) == expected


@given(st.integers(-10, 2000), st.integers(0, 50), st.booleans())
def test_everybody_has_exactly_one_stage(tenure: int, orders: int, is_on_top: bool) -> None:
    assert stage(tenure_days=tenure, orders=orders, is_on_top=is_on_top) in STAGES


def test_the_limits_of_stages_can_be_others() -> None:
    policy = StagePolicy(new_days=7, loyal_days=14, loyal_orders=2)

    assert stage(tenure_days=14, orders=2, is_on_top=False, policy=policy) == "loyal"
