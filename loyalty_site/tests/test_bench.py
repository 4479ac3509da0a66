"""The parts of the large bench that need no ledger: its plan, its sizes and its curve."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from bench import evaluating, growth, replaying
from bench.books import AGES_DAYS, DAYS_BETWEEN_GRADINGS, EARNS, ENDING_EARNS, SLICES, Size
from bench.heavy import point_of
from bench.planned import GB, plan
from bench.rows import rates_row, times_row
from campaigns.earning.evaluate import evaluate
from campaigns.earning.facts import MemberFacts

POINTS = [
    growth.Point(0, 1.0, 1.0),
    growth.Point(5_000_000, 0.9, 0.6),
    growth.Point(10_000_000, 0.8, 0.5),
]
SVG = "{http://www.w3.org/2000/svg}"


def test_ten_million_entries_are_a_quarter_million_members_with_a_million_lots_to_expire() -> None:
    size = Size(10_000_000)

    assert (size.members, size.lots, size.ending_lots) == (250_000, 2_500_000, 1_000_000)


def test_every_slice_of_members_has_as_many() -> None:
    assert [Size(entries).members % SLICES for entries in (1, 1_999, 500_000)] == [0, 0, 0]
    assert Size(1).members == SLICES


def test_all_earns_count_in_the_window_of_the_last_slice_that_is_graded() -> None:
    last_grading = DAYS_BETWEEN_GRADINGS * (SLICES - 1) + 2

    assert len(AGES_DAYS) == EARNS > ENDING_EARNS
    assert max(AGES_DAYS) + last_grading < 365


def test_the_whole_run_stays_within_eight_gigabytes_and_an_hour() -> None:
    whole = plan(10_000_000)

    whole.check(free_bytes=9 * GB)
    assert "10,000,000 entries of 250,000 members" in str(whole)
    assert f"about {whole.minutes} minutes" in str(whole)


@pytest.mark.parametrize(
    ("entries", "free_bytes", "words"),
    [
        pytest.param(100_000_000, 1000 * GB, "more than a run may take", id="too large"),
        pytest.param(10_000_000, 2 * GB, "only 2.0 GB are free", id="too full"),
    ],
)
def test_a_run_that_would_not_fit_is_refused_before_it_begins(
    entries: int, free_bytes: int, words: str
) -> None:
    with pytest.raises(SystemExit, match=words):
        plan(entries).check(free_bytes)


def test_a_row_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() -> None:
    row = times_row("S6", "expiry", "<= 5", above=[2.0, 9.0, 40.0], below=[1.0, 3.0, 10.0])
    rates = rates_row("S8", "posting", ">= 0.75", above=[90, 50], below=[100, 100])

    assert (row.value, row.detail) == ("3.00 x", "9 s against 3 s, rounds 2.00 to 4.00")
    assert (rates.value, rates.detail) == ("0.70 x", "70/s against 100/s, rounds 0.50 to 0.90")


def test_a_point_of_the_curve_compares_within_each_round() -> None:
    point = point_of(
        1_000, posted=[(50, 100), (80, 100), (90, 100)], read=[(10, 20), (10, 40), (10, 10)]
    )

    assert point == growth.Point(entries=1_000, posting=0.8, statement=0.5)


def test_the_curve_is_an_svg_with_both_lines_from_nothing_to_the_last_point() -> None:
    drawn = ElementTree.fromstring(growth.svg(POINTS, "Speed & size"))

    lines = [line.attrib["points"].split() for line in drawn.iter(f"{SVG}polyline")]
    words = [text.text for text in drawn.iter(f"{SVG}text")]

    assert drawn.findtext(f"{SVG}title") == "Speed & size"
    # Full speed is at the top of the picture, and the last point at its right edge.
    assert lines[0] == ["56.0,48.0", "336.0,74.8", "616.0,101.6"]
    assert lines[1][-1] == "616.0,182.0"
    assert {"posting a purchase", "a page of the statement", "goal 0.75 x", "10 M"} <= set(words)


def test_a_curve_of_one_point_is_refused() -> None:
    with pytest.raises(ValueError, match="two points"):
        growth.svg(POINTS[:1], "One")


def test_the_points_are_told_as_a_table() -> None:
    assert growth.table(POINTS).splitlines()[-1] == "| 10,000,000 | 0.80 x | 0.50 x |"


def test_the_evaluator_s_purchase_meets_rules_of_every_sort() -> None:
    member = MemberFacts(id="m-1", tier="gold")

    rules = evaluating.live_rules()
    given = evaluate(rules, evaluating.basket(), member, {}, stacking=evaluating.group())

    assert len(rules) == 30
    assert len(given.awards) == 19
    assert {each.reason for each in given.not_applied} == {"not_now", "not_combined"}


def test_the_replayed_year_is_replayed_whole() -> None:
    row = replaying.replays(1)

    assert row.value is not None
    assert row.value.endswith("/s")
    assert "30 live rules against 31" in row.detail
