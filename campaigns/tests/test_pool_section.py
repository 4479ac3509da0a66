"""What the program file says of pools."""

from __future__ import annotations

import pytest

from campaigns.programfile import canonical, parse
from campaigns.tests.test_programfile import SMALLEST, problems


def test_the_terms_of_pools_are_read_with_their_defaults() -> None:
    text = SMALLEST + "\npools: [{kind: household}, {kind: company, redeem: [owner], cap: 900}]\n"

    assert canonical(parse(text))["pools"] == [
        {
            "kind": "household",
            "members_max": 6,
            "share_pct": 0,
            "cap": None,
            "tenure_days": 30,
            "redeem": ["owner", "adult"],
        },
        {
            "kind": "company",
            "members_max": 50,
            "share_pct": 0,
            "cap": 900,
            "tenure_days": 30,
            "redeem": ["owner"],
        },
    ]
    assert canonical(parse(SMALLEST))["pools"] == []


@pytest.mark.parametrize(
    ("_case", "pools", "path"),
    [
        ("no kind", "[{members_max: 3}]", "pools[0].kind"),
        ("alone", "[{kind: household, members_max: 1}]", "pools[0].members_max"),
        ("more than all", "[{kind: household, share_pct: 101}]", "pools[0].share_pct"),
        ("an unknown role", "[{kind: household, redeem: [cat]}]", "pools[0].redeem"),
        ("nobody", "[{kind: household, redeem: []}]", "pools[0].redeem"),
        ("no room", "[{kind: household, cap: 0}]", "pools[0].cap"),
        ("one kind twice", "[{kind: company}, {kind: company}]", "pools[1].kind"),
    ],
)
def test_terms_of_pools_that_cannot_hold_are_refused(_case: str, pools: str, path: str) -> None:
    assert {found for found, _line in problems(f"{SMALLEST}\npools: {pools}\n")} == {path}
