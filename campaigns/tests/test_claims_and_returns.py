"""A claim and the returns around it, also where their instants tell nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from campaigns.tests.shop import (
    CARD,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    claim,
    differences,
    join,
    line,
    refund,
)
from members.models import Member

pytestmark = pytest.mark.django_db

SOLD = NOON - timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def member() -> Member:
    """Open the shop and enroll its member."""
    apply()
    return join()


@pytest.fixture
def sale(member: Member) -> dict[str, Any]:
    """Sell two things to nobody: 18 and 92 points."""
    return basket(line("1", "18.00"), line("2", "92.00", quantity="4"), card=None, at=SOLD)


def _back(sale: dict[str, Any], *lines: tuple[str, str], moment: datetime) -> int:
    found = bring_back(refund(sale, *lines, at=SOLD), moment=moment)
    points: int = found["points"]["clawed_back"]
    return points


@pytest.mark.parametrize(
    "returned_at",
    [
        pytest.param(NOON, id="at the instant of the claim"),
        pytest.param(NOON - SECOND, id="by a till whose request waited for the claim"),
        pytest.param(NOON + SECOND, id="later"),
    ],
)
def test_what_comes_back_after_a_claim_is_taken_once_whatever_the_clock_says(
    member: Member, sale: dict[str, Any], returned_at: datetime
) -> None:
    sold = buy(sale, moment=SOLD)
    given = claim(sold["id"], CARD, moment=NOON)["points"]["granted"]

    taken = [
        _back(sale, ("2", "1"), moment=returned_at),
        _back(sale, ("2", "3"), moment=returned_at),
        _back(sale, ("1", "1"), moment=returned_at),
    ]

    assert (given, taken) == (386, [92, 276, 18])
    assert balances(member) == balances(member, "status") == {}
    assert differences() == []


@pytest.mark.parametrize(
    "returned_at",
    [
        pytest.param(NOON, id="at the instant of the claim"),
        pytest.param(NOON + SECOND, id="by a till whose clock is ahead"),
        pytest.param(NOON - SECOND, id="earlier"),
    ],
)
def test_what_came_back_before_a_claim_earns_nothing_and_takes_nothing(
    member: Member, sale: dict[str, Any], returned_at: datetime
) -> None:
    sold = buy(sale, moment=SOLD)
    before = _back(sale, ("2", "1"), moment=returned_at)

    given = claim(sold["id"], CARD, moment=NOON)["points"]["granted"]
    after = _back(sale, moment=NOON)

    assert (before, given, after) == (0, 294, 294)
    assert balances(member) == balances(member, "status") == {}
    assert differences() == []
