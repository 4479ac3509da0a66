"""A return that races redemptions: before or after each of them, never in between."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError

from campaigns.services import takeback
from campaigns.services.takeback import Decision
from campaigns.tests.shop import (
    DAY,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    negative_balances,
    refund,
    spend,
)
from campaigns.tests.test_intake_together import together
from members.models import LedgerTransaction, Member


def shop() -> tuple[Member, dict[str, Any]]:
    """Open the shop; return a member with 100 points and the purchase that gave them."""
    apply()
    body = basket(line(price="10.00", quantity="10"), at=NOON)
    member = join()
    buy(body, moment=NOON)
    return member, body


@pytest.mark.usefixtures("committed_database")
@pytest.mark.parametrize("attempt", range(3))
def test_a_return_and_redemptions_of_the_same_points_take_them_once(attempt: int) -> None:
    member, body = shop()
    later = NOON + DAY

    def act(number: int) -> str:
        if number < 2:
            bring_back(refund(body, ("1", "5"), at=later), moment=later)
            return "returned"
        try:
            spend(member, 100, moment=later)
        except IntegrityError:
            return "refused"
        return "spent"

    ended = together(10, act)

    spent = ended.count("spent")
    assert ended.count("returned") == 2
    # Only who comes before both returns finds all the points.
    assert spent <= 1
    assert balances(member) == ({"debt": -100} if spent else {})
    assert LedgerTransaction.objects.filter(type="clawback", currency__code="points").count() == 2
    assert negative_balances() == []
    assert differences() == []


@pytest.mark.usefixtures("committed_database")
def test_without_the_members_lock_the_books_refuse_what_was_decided_on_old_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The control: a return that reads without the lock, while a redemption commits.
    member, body = shop()
    later = NOON + DAY
    decided, spent = threading.Event(), threading.Event()
    decide = takeback.decide

    def decide_early(*args: Any, **how: Any) -> Decision:
        found = decide(*args, **how)
        decided.set()
        assert spent.wait(30)
        return found

    monkeypatch.setattr(takeback, "settle", lambda *_args: None)
    monkeypatch.setattr(takeback, "decide", decide_early)

    def act(number: int) -> str:
        if number:
            assert decided.wait(30)
            spend(member, 100, moment=later)
            spent.set()
            return "spent"
        with pytest.raises(IntegrityError):
            bring_back(refund(body, at=later), moment=later)
        return "refused by the books"

    assert together(2, act) == ["refused by the books", "spent"]
    assert balances(member) == {}
    assert differences() == []
