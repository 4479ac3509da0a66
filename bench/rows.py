"""The lines that a bench prints."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; ``value`` None was not measured."""

    number: str
    what: str
    goal: str
    value: str | None
    detail: str


def times_row(
    number: str, what: str, goal: str, above: Sequence[float], below: Sequence[float]
) -> Row:
    """Return the row of how many times longer one thing took than another, round by round."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    detail = (
        f"{statistics.median(above):,.3g} s against {statistics.median(below):,.3g} s,"
        f" rounds {min(ratios):.2f} to {max(ratios):.2f}"
    )
    return Row(number, what, goal, f"{statistics.median(ratios):.2f} x", detail)


def rates_row(
    number: str, what: str, goal: str, above: Sequence[float], below: Sequence[float]
) -> Row:
    """Return the row of how many times more was done in a second, round by round."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    detail = (
        f"{statistics.median(above):,.0f}/s against {statistics.median(below):,.0f}/s,"
        f" rounds {min(ratios):.2f} to {max(ratios):.2f}"
    )
    return Row(number, what, goal, f"{statistics.median(ratios):.2f} x", detail)


def show(rows: Sequence[Row], rounds: int) -> None:
    """Print the date, the machine and the table."""
    say("")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    say(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, medians of {rounds} interleaved rounds")
    say("")
    say("| # | what | goal | measured | detail |")
    say("|---|---|---|---|---|")
    for row in rows:
        value = row.value or "not measured"
        say(f"| {row.number} | {row.what} | {row.goal} | {value} | {row.detail} |")


def say(text: Any) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
