"""What the program file says of transfers."""

from __future__ import annotations

import pytest

from campaigns.programfile import canonical, parse
from campaigns.tests.test_programfile import SMALLEST, problems


def test_the_terms_of_transfers_are_read_with_their_defaults() -> None:
    text = SMALLEST.replace(
        "redeemable}", "redeemable, transfers: {maximum: 500, fee: {percent: 2}}}"
    )

    terms = canonical(parse(text))["points"][0]["transfers"]

    assert terms == {
        "minimum": 1,
        "maximum": 500,
        "daily_cap": 500,
        "fee": {"percent": "2", "fixed": 0, "rounding": "up"},
        "tenure_days": 30,
        "require_verified": True,
        "cooling_hours": 24,
        "confirm_above": 1000,
    }
    assert canonical(parse(SMALLEST))["points"][0]["transfers"] is None


@pytest.mark.parametrize(
    ("_case", "terms", "path"),
    [
        ("no maximum", "{minimum: 5}", "points[0].transfers.maximum"),
        ("a maximum below", "{minimum: 5, maximum: 4}", "points[0].transfers.maximum"),
        (
            "a flag of words",
            "{maximum: 5, require_verified: maybe}",
            "points[0].transfers.require_verified",
        ),
        ("more than all", "{maximum: 5, fee: {percent: 101}}", "points[0].transfers.fee.percent"),
        (
            "an unknown rounding",
            "{maximum: 5, fee: {rounding: even}}",
            "points[0].transfers.fee.rounding",
        ),
    ],
)
def test_terms_of_transfers_that_cannot_hold_are_refused(_case: str, terms: str, path: str) -> None:
    text = SMALLEST.replace("redeemable}", f"redeemable, transfers: {terms}}}")

    assert {found for found, _line in problems(text)} == {path}


def test_points_that_lift_tiers_are_not_transferred() -> None:
    text = SMALLEST.replace(
        "redeemable}]", "redeemable}, {code: status, kind: qualifying, transfers: {maximum: 5}}]"
    )

    assert [found for found, _line in problems(text)] == ["points[1].transfers"]
