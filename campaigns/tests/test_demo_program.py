"""The demo's program file: its own shape, and its times moved to the purchases."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from campaigns.programfile import ProgramDocument, parse, run_tests
from demo.program_window import moved_to, reference_day

PROGRAM = Path(__file__).resolve().parents[2] / "demo" / "program.yaml"


def _text() -> str:
    return PROGRAM.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def program() -> ProgramDocument:
    """Return the program as the file stands."""
    return parse(_text())


@pytest.mark.parametrize(
    ("_case", "text", "expected"),
    [
        ("a window", "starts_at: 2026-06-08T00:00", "starts_at: 2026-06-15T00:00"),
        ("seconds", "at: 2026-06-08T10:00:30", "at: 2026-06-15T10:00:30"),
        ("over a year's end", "at: 2026-12-28T09:30", "at: 2027-01-04T09:30"),
        ("an offset stays", "at: 2026-06-08T10:00+01:00", "at: 2026-06-08T10:00+01:00"),
        ("UTC stays", "at: 2026-06-08T10:00Z", "at: 2026-06-08T10:00Z"),
        ("a day stays", "birth_date: 1990-02-28", "birth_date: 1990-02-28"),
    ],
)
def test_local_times_move_with_the_last_day(_case: str, text: str, expected: str) -> None:
    moved = moved_to(f"# last_day: 2026-06-28\n{text}\n", date(2026, 7, 5))

    assert moved == f"# last_day: 2026-07-05\n{expected}\n"


def test_a_program_that_names_no_day_is_left_alone() -> None:
    text = "campaigns: [{starts_at: 2026-06-08T00:00}]\n"

    assert reference_day(text) is None
    assert moved_to(text, date(2026, 10, 4)) == text


def test_moving_there_and_back_changes_nothing() -> None:
    there = moved_to(_text(), date(2026, 10, 4))

    assert there != _text()
    assert moved_to(there, date(2026, 6, 28)) == _text()


def test_the_file_is_written_for_a_sunday() -> None:
    day = reference_day(_text())

    assert day is not None
    assert day.isoweekday() == 7


@pytest.mark.parametrize("last_day", [date(2026, 6, 28), date(2026, 10, 4), date(2027, 4, 4)])
def test_the_embedded_tests_pass_wherever_the_purchases_end(last_day: date) -> None:
    outcomes = run_tests(parse(moved_to(_text(), last_day)))

    assert [outcome.report for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == 14


@pytest.mark.parametrize("days_after", range(1, 8))
def test_promotions_are_live_on_every_day_on_which_the_data_can_be_loaded(
    program: ProgramDocument, days_after: int
) -> None:
    last_day = reference_day(_text())
    assert last_day is not None
    midnight = datetime.combine(last_day, datetime.min.time(), program.program.zone)
    today = midnight + timedelta(days=days_after)

    live = [
        campaign.code
        for campaign in program.campaigns
        if campaign.starts_at is not None
        and campaign.ends_at is not None
        and campaign.starts_at <= today < campaign.ends_at
    ]

    assert live == ["welcome-back", "bakery-mornings", "fresh-weeks", "own-brand-weeks"]


def test_the_program_has_what_a_shop_needs(program: ProgramDocument) -> None:
    assert program.tiers is not None
    assert [rung.threshold for rung in program.tiers.ladder] == [0, 1250, 3000]
    assert len(program.rewards) == 8
    assert len({reward.kind for reward in program.rewards}) == 7


def test_whatever_members_read_is_told_in_three_languages(program: ProgramDocument) -> None:
    assert program.tiers is not None
    rules = [*program.rules, *(rule for each in program.campaigns for rule in each.rules)]
    texts = [
        *(each.names for each in program.points),
        *(rule.name for rule in rules),
        *(campaign.name for campaign in program.campaigns),
        *(segment.name for segment in program.segments),
        *(rung.name for rung in program.tiers.ladder),
        *(benefit for rung in program.tiers.ladder for benefit in rung.benefits),
        *(reward.name for reward in program.rewards),
        *(reward.description for reward in program.rewards),
    ]

    assert len(texts) == 59
    assert [text for text in texts if text.keys() != {"en", "zh-hans", "ru"}] == []
