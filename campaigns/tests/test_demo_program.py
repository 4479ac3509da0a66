"""The demo's program file: its own shape, and its times moved to the purchases."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from demo.program_window import moved_to, reference_day

PROGRAM = Path(__file__).resolve().parents[2] / "demo" / "program.yaml"


def _text() -> str:
    return PROGRAM.read_text(encoding="utf-8")


def _parsed(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = YAML(typ="safe").load(text)
    return parsed


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


@pytest.mark.parametrize("days_after", range(1, 8))
def test_promotions_are_live_on_every_day_on_which_the_data_can_be_loaded(days_after: int) -> None:
    program = _parsed(_text())
    last_day = reference_day(_text())
    assert last_day is not None
    today = datetime.combine(last_day + timedelta(days=days_after), datetime.min.time())

    live = [
        campaign["code"]
        for campaign in program["campaigns"]
        if _at(campaign["starts_at"]) <= today < _at(campaign["ends_at"])
    ]

    assert live == ["welcome-back", "bakery-mornings", "fresh-weeks", "own-brand-weeks"]


def _at(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def test_the_program_has_what_a_shop_needs() -> None:
    program = _parsed(_text())

    assert [tier["code"] for tier in program["tiers"]["ladder"]] == ["bronze", "silver", "gold"]
    assert len(program["rewards"]) == 8
    assert len({reward["kind"] for reward in program["rewards"]}) == 7
    assert len(program["tests"]) >= 10


def test_every_reward_is_told_in_three_languages() -> None:
    for reward in _parsed(_text())["rewards"]:
        assert reward["name"].keys() == {"en", "zh-hans", "ru"}, reward["code"]
        assert reward["description"].keys() == {"en", "zh-hans", "ru"}, reward["code"]


def test_codes_are_used_once() -> None:
    program = _parsed(_text())
    rules = [
        *program["rules"],
        *(rule for campaign in program["campaigns"] for rule in campaign["rules"]),
    ]

    for group in (rules, program["campaigns"], program["rewards"], program["segments"]):
        codes = [each["code"] for each in group]
        assert len(set(codes)) == len(codes)
