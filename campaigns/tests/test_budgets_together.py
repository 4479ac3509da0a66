"""Budgets when many buyers earn at once: exactly used up, and told of once."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Barrier
from typing import Any

import pytest

from campaigns.earning.results import LimitKey
from campaigns.earning.rules import Bound
from campaigns.models import LimitCounter
from campaigns.queries.rulebook import Rulebook
from campaigns.services import counters, intake
from campaigns.services.judging import CounterState
from campaigns.tests.shop import (
    BASE_STATUS,
    NOON,
    apply,
    basket,
    bring_back,
    buy,
    differences,
    join,
    program_file,
    refund,
)
from campaigns.tests.test_budgets import alerts, campaign, plus
from campaigns.tests.test_intake_together import together

BUDGETS: dict[str, Any] = {"budget_points": 1000, "budget_money": "10.00", "budget_uses": 25}
SMALL: dict[str, Any] = {"budget_points": 100, "budget_money": "1.00", "budget_uses": 2}


def opened(buyers: int, budget: dict[str, Any]) -> list[str]:
    """Open a campaign that gives 40 points a purchase, with its buyers; return their cards.

    Its counter is there before the race, so that it is its lock alone which is tried.
    """
    apply(program_file(rules=[BASE_STATUS], campaigns=[campaign(plus(40), **budget)]))
    cards = [f"60110{number:05}" for number in range(buyers)]
    for card in cards:
        join(card)
    body = basket(card=cards[0], at=NOON)
    buy(body, moment=NOON)
    bring_back(refund(body, at=NOON), moment=NOON)
    return cards


def race(cards: list[str]) -> list[int]:
    """Let all buy at once; return what each was granted."""

    def buyer(number: int) -> int:
        answer = buy(basket(card=cards[number], at=NOON), moment=NOON)
        granted: int = answer["points"]["granted"]
        return granted

    return together(len(cards), buyer)


@pytest.mark.usefixtures("committed_database")
@pytest.mark.parametrize("name", list(BUDGETS))
def test_64_buyers_at_once_use_up_exactly_the_budget(name: str) -> None:
    granted = race(opened(64, {name: BUDGETS[name]}))

    assert sorted(granted) == [0] * 39 + [40] * 25
    counter = LimitCounter.objects.get()
    assert (counter.points if counter.currency else counter.uses) == counter.bound
    # Purchases that are posted together may pass 80 and 100 per cent at once.
    assert [each["percent"] for each in alerts()] in ([80, 100], [100])
    assert differences() == []


@pytest.mark.usefixtures("committed_database")
@pytest.mark.parametrize("name", list(SMALL))
def test_the_race_finds_a_budget_that_is_read_without_its_lock(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The control: budgets that are only looked at, by all buyers before any of them writes.
    reserve, everybody_read = counters.reserve, Barrier(8)

    def look(book: Rulebook, keys: Iterable[LimitKey], *, dry_run: bool = False) -> CounterState:
        assert not dry_run
        found = reserve(book, keys, dry_run=True)
        everybody_read.wait(30)
        return found

    # Each buyer in a transaction of its own, and without the bound that the row itself keeps.
    monkeypatch.setattr(intake._joiner, "do", intake._alone)
    monkeypatch.setattr(counters._Bounds, "of", lambda _self, _key: Bound())
    cards = opened(8, {name: SMALL[name]})
    monkeypatch.setattr(counters, "reserve", look)

    assert race(cards) == [40] * 8
