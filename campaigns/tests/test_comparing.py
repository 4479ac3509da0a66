"""Two texts of a campaign against each other: sentence by sentence, and merged part by part."""

from __future__ import annotations

from typing import Any

import pytest

from campaigns import comparing
from campaigns.tests.shop import rule

BASE: dict[str, Any] = {
    "code": "c",
    "name": {"en": "C"},
    "starts_at": "2026-03-01T00:00:00+00:00",
    "ends_at": None,
    "budget_points": 100,
    "rules": [rule("a", 1), rule("b", 2)],
}


def but(**told: Any) -> dict[str, Any]:
    return {**BASE, **told}


@pytest.mark.parametrize(
    ("_case", "live", "mine", "merged", "conflicts"),
    [
        ("nobody else changed it", BASE, but(budget_points=5), but(budget_points=5), ()),
        ("only they changed it", but(budget_points=5), BASE, but(budget_points=5), ()),
        (
            "each another key",
            but(budget_points=5),
            but(name={"en": "D"}),
            but(budget_points=5, name={"en": "D"}),
            (),
        ),
        (
            "both the same",
            but(budget_points=5),
            but(budget_points=5),
            but(budget_points=5),
            (),
        ),
        (
            "both the same key",
            but(budget_points=5),
            but(budget_points=6),
            but(budget_points=5),
            ("budget_points",),
        ),
        (
            "each another rule",
            but(rules=[rule("a", 9), rule("b", 2)]),
            but(rules=[rule("a", 1), rule("b", 8)]),
            but(rules=[rule("a", 9), rule("b", 8)]),
            (),
        ),
        (
            "they took a rule away that I changed",
            but(rules=[rule("b", 2)]),
            but(rules=[rule("a", 7), rule("b", 2)]),
            but(rules=[rule("b", 2)]),
            ("rule a",),
        ),
        (
            "I took a rule away that they left",
            but(budget_points=5),
            but(rules=[rule("b", 2)]),
            but(budget_points=5, rules=[rule("b", 2)]),
            (),
        ),
        (
            "each added a rule",
            but(rules=[*BASE["rules"], rule("x", 1)]),
            but(rules=[*BASE["rules"], rule("y", 1)]),
            but(rules=[*BASE["rules"], rule("x", 1), rule("y", 1)]),
            (),
        ),
        (
            "a state is no text",
            but(status="paused"),
            but(budget_points=5),
            but(budget_points=5),
            (),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_is_brought_onto_another(
    _case: str,
    live: dict[str, Any],
    mine: dict[str, Any],
    merged: dict[str, Any],
    conflicts: tuple[str, ...],
) -> None:
    found = comparing.merge(base=BASE, live=live, mine=mine)

    assert found.conflicts == conflicts
    assert conflicts or comparing.is_same(found.body, merged)


def test_a_new_campaign_conflicts_with_one_that_a_file_brought_meanwhile() -> None:
    found = comparing.merge(base=None, live=but(budget_points=5), mine=BASE)

    assert found.conflicts == ("budget_points",)


@pytest.mark.parametrize(
    ("_case", "after", "changed"),
    [
        ("nothing", BASE, []),
        ("a figure", but(budget_points=5), [("~", "budget_points", "100", "5")]),
        ("a figure less", but(budget_points=None), [("-", "budget_points", "100", "")]),
        (
            "hours",
            but(schedule={"rrule": "FREQ=WEEKLY;BYDAY=FR", "starts": "17:00", "minutes": 120}),
            [("+", "schedule", "", "every week on Friday, 17:00 to 19:00")],
        ),
        (
            "a rule more",
            but(rules=[*BASE["rules"], rule("x", 5)]),
            [("+", "rule x", "", "5 points per 1.00.")],
        ),
        (
            "what no sentence tells",
            but(rules=[{**rule("a", 1), "priority": 3}, rule("b", 2)]),
            [("+", "rule a: priority", "", "3")],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_comparison_is_made_of_sentences(
    _case: str, after: dict[str, Any], changed: list[tuple[str, str, str, str]]
) -> None:
    found = [
        (line.sign, line.what, line.before, line.after)
        for line in comparing.lines(BASE, after)
        if line.sign
    ]

    assert found == changed
