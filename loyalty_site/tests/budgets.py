"""How long each kind of test took, beside what it may take."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

# Minutes on two cores. A budget overrun is told and fails nothing: machines differ.
BUDGETS = {"unit and property": 6, "concurrency": 3, "contract and schema": 5, "browser": 5}
MARKS = {
    "browser": ("browser", "journey", "axe"),
    "concurrency": ("concurren", "race", "deadlock", "threads"),
    "contract and schema": ("_api", "contract", "openapi", "schema"),
}


def kind_of(report: pytest.TestReport) -> str:
    """Return the kind of the report's test, by its marks and its file's name."""
    words = " ".join((report.nodeid.partition("::")[0], *report.keywords))
    for kind, marks in MARKS.items():
        if any(mark in words for mark in marks):
            return kind
    return "unit and property"


def budget_lines(reports: Iterable[pytest.TestReport], *, workers: int) -> list[str]:
    """Return a line for each kind of test that ran."""
    seconds: dict[str, float] = {}
    for report in reports:
        kind = kind_of(report)
        seconds[kind] = seconds.get(kind, 0.0) + report.duration
    return [
        f"{kind:<20} {seconds[kind] / 60 / workers:5.1f} of {minutes} minutes"
        for kind, minutes in BUDGETS.items()
        if kind in seconds
    ]
