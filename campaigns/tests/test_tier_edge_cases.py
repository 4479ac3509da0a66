"""Mistakes that other systems made with tiers (edge cases 35 and 36), kept out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.tests.shop import (
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    join,
    line,
    refund,
    spend,
    standings,
)
from members.models import Member
from members.queries.program import current_program
from members.queries.tiers import tier_reading

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def member() -> Member:
    """Open the shop, whose silver begins at 500 status points, and enroll its member."""
    apply()
    return join()


def tier(member: Member) -> tuple[str, int]:
    """Return the member's tier and the figure that it was judged by."""
    reading = tier_reading(program=current_program(), member_id=member.pk, moment=LATER)
    assert reading is not None
    return reading.tier, reading.progress.value


def test_who_spends_their_points_keeps_their_tier(member: Member) -> None:
    buy(basket(line(price="600.00"), at=NOON), moment=NOON)

    spend(member, balances(member)["available"], moment=LATER)

    assert balances(member) == {}
    assert tier(member) == ("silver", 600)


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        pytest.param("499.99", ("bronze", 499), id="a cent below the threshold"),
        pytest.param("500.00", ("silver", 500), id="exactly the threshold"),
        pytest.param("500.01", ("silver", 500), id="a cent above it"),
    ],
)
def test_a_threshold_is_reached_by_its_exact_figure(
    member: Member, price: str, expected: tuple[str, int]
) -> None:
    buy(basket(line(price=price), at=NOON), moment=NOON)

    assert tier(member) == expected


def test_what_was_redeemed_and_given_back_is_no_spending(member: Member) -> None:
    buy(basket(line(price="300.00"), at=NOON), moment=NOON)

    spend(member, 250, moment=LATER)
    spend(member, 50, moment=LATER)

    assert tier(member) == ("bronze", 300)


def test_a_tier_of_goods_that_came_back_is_told_by_what_is_left(member: Member) -> None:
    body = basket(line(price="600.00"), at=NOON)
    buy(body, moment=NOON)
    bring_back(refund(body, at=LATER), moment=LATER)

    # The tier is not lowered at once, and the figure says what keeping it takes.
    assert tier(member) == ("silver", 0)
    assert [name for name, _ in standings(member)] == ["bronze", "silver"]
