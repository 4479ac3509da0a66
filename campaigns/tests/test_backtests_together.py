"""Several processes replay one history, all of them seeing the same instant."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from campaigns.programfile import parse
from campaigns.services import backtests
from campaigns.tests.shop import NOON, PROGRAM, apply, basket, buy, join, line

LATER = NOON + timedelta(days=20)


def test_two_processes_say_what_one_says(
    database_urls: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the processes read when they start, as those of a command do.
    monkeypatch.setenv("DATABASE_URL", database_urls["site"])
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")
    monkeypatch.setattr(backtests, "RANGE", 2)
    apply()
    for number in range(4):
        card = f"601100000{number}"
        join(card)
        buy(basket(line(price=f"{number + 1}00.00"), card=card, at=NOON), moment=NOON)

    one, two = (figures_by(processes) for processes in (1, 2))

    assert one["before"]["given"]["points"] == 1000
    assert {key: one[key] for key in SAME} == {key: two[key] for key in SAME}


SAME = ("members", "purchases", "before", "after", "tier_moves", "winners", "ranges", "rounds")


def figures_by(processes: int) -> dict[str, Any]:
    """Return the figures of a backtest of the live program."""
    asked = backtests.request(
        document=parse(json.dumps(PROGRAM)),
        starts_at=None,
        ends_at=LATER,
        requested_by=None,
        moment=LATER,
    )
    done = backtests.run(asked.pk, processes=processes)
    assert done is not None
    figures: dict[str, Any] = done.figures
    return figures
