"""The cap of the program when many tills post at once."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Barrier

import pytest

from campaigns.earning.results import LimitKey
from campaigns.models import LimitCounter
from campaigns.queries.rulebook import Rulebook
from campaigns.services import counters, intake
from campaigns.services.judging import CounterState
from campaigns.tests.shop import (
    CARD,
    NOON,
    apply,
    basket,
    buy,
    differences,
    join,
    line,
    program_file,
)
from campaigns.tests.test_intake_together import together

CAP = {"period": "day", "currency": "points"}


def _race(buyers: int, *, per: str, cap: int) -> list[int]:
    """Let many tills of one store post at once; return what each was granted.

    With ``per`` member all of them post for one member, else each for its own.
    """
    apply(program_file(caps=[{**CAP, "per": per, "points": cap}]))
    cards = [CARD if per == "member" else f"60110{n:05}" for n in range(buyers)]
    for card in dict.fromkeys(cards):
        join(card)
    # The counter is there before the race, so that it is its lock alone which is tried.
    buy(basket(line(price="0.00"), card=cards[0], at=NOON, store="a"), moment=NOON)

    def till(number: int) -> int:
        body = basket(line(price="40.00"), card=cards[number], at=NOON, store="a")
        granted: int = buy(body, moment=NOON)["points"]["granted"]
        return granted

    return together(buyers, till)


@pytest.mark.usefixtures("committed_database")
@pytest.mark.parametrize("per", ["member", "store"])
def test_64_buyers_at_once_get_exactly_the_cap(per: str) -> None:
    granted = _race(64, per=per, cap=1000)

    assert sum(granted) == 1000
    assert sorted(granted)[-25:] == [40] * 25
    assert list(LimitCounter.objects.values_list("points", flat=True)) == [1000]
    assert differences() == []


@pytest.mark.usefixtures("committed_database")
def test_the_race_finds_a_counter_that_is_read_without_its_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The control: counters that are only looked at, by all tills before any of them writes.
    reserve, everybody_read = counters.reserve, Barrier(8)

    def look(book: Rulebook, keys: Iterable[LimitKey], *, dry_run: bool = False) -> CounterState:
        is_race = LimitCounter.objects.exists()
        found = reserve(book, keys, dry_run=is_race)
        if is_race:
            everybody_read.wait(30)
        return found

    monkeypatch.setattr(counters, "reserve", look)
    # Each till in a transaction of its own: those that are joined would wait for one another.
    monkeypatch.setattr(intake._joiner, "do", intake._alone)
    monkeypatch.setattr(counters, "_caps", lambda _book: {})

    assert sum(_race(8, per="store", cap=100)) == 320
