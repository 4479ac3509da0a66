"""How a program file says how long points last: read, refused, written again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from campaigns.programfile import ProgramFileError, canonical, parse
from campaigns.programfile.canonical import dump
from campaigns.tests.shop import program_file
from members.lots import ExpiryPolicy, Period

PERIODS = [
    {"tier": "bronze", "months": 6},
    {"tier": "silver", "months": 12},
    {"tier": "gold", "years": 2},
]


def file_with(expiry: dict[str, Any]) -> str:
    return json.dumps(program_file({"expiry": expiry}))


@pytest.mark.parametrize(
    ("_case", "expiry", "policy"),
    [
        (
            "fixed after",
            {"model": "fixed_after", "years": 1, "days": 3, "round_to": "quarter_end"},
            ExpiryPolicy("fixed_after", years=1, days=3, round_to="quarter_end"),
        ),
        (
            "fixed date",
            {"model": "fixed_date", "month_day": "02-29", "minimum_months": 3},
            ExpiryPolicy("fixed_date", month_day=(2, 29), minimum_months=3),
        ),
        ("inactivity", {"model": "inactivity", "months": 6}, ExpiryPolicy("inactivity", months=6)),
        (
            "by tier",
            {"model": "by_tier", "periods": PERIODS, "round_to": "year_end"},
            ExpiryPolicy(
                "by_tier",
                round_to="year_end",
                periods=(
                    ("bronze", Period(months=6)),
                    ("silver", Period(months=12)),
                    ("gold", Period(years=2)),
                ),
            ),
        ),
        ("never", {"model": "never"}, ExpiryPolicy()),
    ],
)
def test_each_model_is_read_and_reads_back_from_its_export(
    _case: str, expiry: dict[str, Any], policy: ExpiryPolicy
) -> None:
    document = parse(file_with(expiry))

    assert document.points[0].expiry.policy() == policy
    assert parse(dump(canonical(document))) == document


@pytest.mark.parametrize(
    ("_case", "said", "expected"),
    [
        ("the default", {}, (60, 30, 7)),
        ("others, the longest first", {"notice_days": [3, 90]}, (90, 3)),
        ("none", {"notice_days": []}, ()),
    ],
)
def test_notices_are_read_and_kept_by_the_export(
    _case: str, said: dict[str, Any], expected: tuple[int, ...]
) -> None:
    document = parse(file_with({"model": "fixed_after", "months": 1, **said}))

    assert document.points[0].expiry.notice_days == expected
    assert parse(dump(canonical(document))) == document


def test_every_act_renews_points_unless_the_file_names_some() -> None:
    every = parse(file_with({"model": "inactivity", "months": 6}))
    some = parse(file_with({"model": "inactivity", "months": 6, "renewed_by": ["event:check-in"]}))

    assert every.points[0].expiry.renewed_by == ("purchase", "redemption", "event")
    assert some.points[0].expiry.renewed_by == ("event:check-in",)
    assert parse(dump(canonical(some))) == some


@pytest.mark.parametrize(
    ("_case", "expiry", "path"),
    [
        ("no period", {"model": "by_tier"}, "expiry.periods"),
        ("a tier left out", {"model": "by_tier", "periods": PERIODS[:2]}, "expiry.periods"),
        ("another order", {"model": "by_tier", "periods": PERIODS[::-1]}, "expiry.periods"),
        (
            "a period of nothing",
            {"model": "by_tier", "periods": [{"tier": "bronze"}, *PERIODS[1:]]},
            "expiry.periods[0].months",
        ),
        (
            "months beside periods",
            {"model": "by_tier", "periods": PERIODS, "months": 3},
            "expiry.months",
        ),
        ("no months", {"model": "inactivity"}, "expiry.months"),
        (
            "an act that is none",
            {"model": "inactivity", "months": 6, "renewed_by": ["visit"]},
            "expiry.renewed_by",
        ),
        (
            "no act",
            {"model": "inactivity", "months": 6, "renewed_by": []},
            "expiry.renewed_by",
        ),
        ("acts of another model", {"model": "never", "renewed_by": ["event"]}, "expiry.renewed_by"),
        (
            "a notice of no day",
            {"model": "fixed_after", "months": 1, "notice_days": [0]},
            "expiry.notice_days",
        ),
        (
            "a notice twice",
            {"model": "fixed_after", "months": 1, "notice_days": [7, 7]},
            "expiry.notice_days",
        ),
        ("a date that is none", {"model": "fixed_date", "month_day": "13-01"}, "expiry.month_day"),
    ],
)
def test_what_an_expiry_cannot_say_is_refused_with_its_path(
    _case: str, expiry: dict[str, Any], path: str
) -> None:
    with pytest.raises(ProgramFileError) as refusal:
        parse(file_with(expiry))

    assert [each.path for each in refusal.value.problems] == [f"points[0].{path}"]
