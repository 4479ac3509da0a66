"""Mistakes that other systems made and no other test of this tree names, by their numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

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
    program_file,
    refund,
    rule,
)
from members.models import Member
from rewards.models import Redemption
from rewards.services import redemptions

pytestmark = pytest.mark.django_db

CUP = {
    "code": "cup",
    "kind": "discount_fixed",
    "name": "A cup",
    "points_price": 30,
    "value": "1",
}


def opened(points: dict[str, Any] | None = None, **sections: Any) -> Member:
    apply(program_file(points, rewards=[CUP], **sections))
    return join()


def redeem(member: Member) -> Redemption:
    order = redemptions.Order(member=member, reward="cup", caller="client:till")
    return redemptions.redeem(program=member.program, order=order, moment=NOON)


@pytest.mark.parametrize("tender", ["card", "cash", "gift_card", "voucher"])
def test_a_part_that_comes_back_takes_a_part_however_it_was_paid(tender: str) -> None:
    """Edge case 4: a return is neither all or nothing, nor unknown for how it was paid back."""
    member = opened()
    paid = [{"kind": tender, "amount": "100.00"}]
    body = basket(line("1", "60.00"), line("2", "40.00"), at=NOON, tenders=paid)
    buy(body, moment=NOON)

    bring_back(refund(body, ("2", "1"), at=NOON), moment=NOON)

    assert balances(member) == {"available": 60}
    assert differences() == []


@pytest.mark.parametrize("days", [0, 13, 14, 15, 364, 700])
def test_goods_come_back_on_whatever_day_they_are_taken_back(days: int) -> None:
    """Edge case 12: the shop's days of return are the shop's; points follow the goods."""
    member = opened({"expiry": {"model": "never"}})
    body = basket(line(price="50.00"), at=NOON)
    buy(body, moment=NOON)
    late = NOON + days * DAY

    bring_back(refund(body, at=late), moment=late)

    assert balances(member) == {}
    assert differences() == []


def test_points_are_whole_whatever_the_digits_of_the_money() -> None:
    """Edge case 28: points are rounded as points, in the direction that the rule states."""
    member = opened(rules=[rule("third", 1, per="3.00")])

    given = [
        buy(basket(line(price=price), at=NOON), moment=NOON)["points"]["granted"]
        for price in ("2.99", "3.00", "8.99", "268.28")
    ]

    assert given == [0, 1, 2, 89]
    assert balances(member) == {"available": 92}


def test_pieces_of_a_thousandth_leave_no_residue() -> None:
    """Edge case 28: no rest of a fraction is left that would refuse the next return."""
    member = opened()
    body = basket(line(price="0.10", quantity="1000"), at=NOON)
    buy(body, moment=NOON)

    for part in ("0.1", "0.2", "0.7", "333.333", "333.333"):
        bring_back(refund(body, ("1", part), at=NOON), moment=NOON)
    left = Decimal(1000) - Decimal("667.666")
    bring_back(refund(body, ("1", f"{left}"), at=NOON), moment=NOON)

    assert balances(member) == {}
    assert differences() == []


def test_a_reward_takes_its_price_and_not_the_balance() -> None:
    """Edge case 33: a redemption takes what the reward costs, whole, and nothing else."""
    member = opened()
    buy(basket(line(price="101.00"), at=NOON), moment=NOON)

    made = redeem(member)

    assert made.points == 30
    assert balances(member) == {"available": 71}
