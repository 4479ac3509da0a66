"""What a merged member bought comes back as if they had never been two."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from campaigns.tests.shop import (
    CARD,
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
    program_file,
    refund,
    spend,
)
from members.models import Member, PointLot, Purchase
from members.services import merging, waiting
from members.services.merging import Wanted
from rewards.services import redemptions

pytestmark = pytest.mark.django_db

OTHER = "6011000002"
LATER = NOON + 3 * DAY


@pytest.fixture
def two() -> tuple[Member, Member]:
    """Return the one who stays and the one who goes, with the card ``OTHER``."""
    apply()
    return join(CARD), join(OTHER)


def merge(one: Member, other: Member, *, moment: Any = NOON + DAY) -> int:
    wanted = Wanted(survivor_id=one.pk, merged_id=other.pk, reason="the same person")
    row = merging.merge(wanted=wanted, by=None, moment=moment)
    one.refresh_from_db()
    other.refresh_from_db()
    return row.pk


def bought(card: str, *lines: dict[str, Any]) -> dict[str, Any]:
    body = basket(*lines, at=NOON, member={"identifier": card})
    buy(body, moment=NOON)
    return body


def sound() -> bool:
    return differences() == [] and negative_balances() == []


def held(member: Member) -> tuple[int, int, int]:
    """Return what is available, pending and owed; nothing is below zero but debt."""
    found = balances(member)
    return found.get("available", 0), found.get("pending", 0), found.get("debt", 0)


def test_a_return_after_a_merge_takes_the_same_points(two: tuple[Member, Member]) -> None:
    one, other = two
    bought(CARD, line("1", "50.00"))
    body = bought(OTHER, line("1", "30.00"), line("2", "70.00"))
    merge(one, other)

    first = bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER)
    second = bring_back(refund(body, ("2", "1"), at=LATER), moment=LATER + DAY)

    assert (first["points"]["from_available"], second["points"]["from_available"]) == (30, 70)
    assert held(one) == (50, 0, 0)
    assert held(other) == (0, 0, 0)
    assert sound()


def test_what_was_spent_meanwhile_comes_from_others_and_then_from_debt(
    two: tuple[Member, Member],
) -> None:
    one, other = two
    bought(CARD, line("1", "20.00"))
    body = bought(OTHER, line("1", "100.00"))
    merge(one, other)
    spend(one, 90, moment=LATER)

    answer = bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER + DAY)

    assert (answer["points"]["from_available"], answer["points"]["to_debt"]) == (30, 70)
    assert held(one) == (0, 0, -70)
    assert held(other) == (0, 0, 0)
    assert sound()


def test_pending_points_of_a_merged_member_are_taken_back_too() -> None:
    from campaigns.tests.shop import program_file

    apply(program_file({"pending_days": 14}))
    one, other = join(CARD), join(OTHER)
    body = bought(OTHER, line("1", "40.00"))
    merge(one, other)
    assert held(one) == (0, 40, 0)

    answer = bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER)

    assert answer["points"]["from_pending"] == 40
    assert held(one) == (0, 0, 0)
    assert sound()


def test_a_repeat_of_an_old_purchase_is_the_same_purchase(two: tuple[Member, Member]) -> None:
    one, other = two
    body = bought(OTHER, line("1", "40.00"))
    merge(one, other)

    again = buy(body, moment=LATER)

    assert again["member"] == str(other.public_id)
    assert Purchase.objects.count() == 1


def test_the_old_card_number_and_id_buy_for_the_survivor(two: tuple[Member, Member]) -> None:
    one, other = two
    merge(one, other)

    for reference in (
        {"identifier": OTHER},
        {"identifier": other.number},
        {"id": str(other.public_id)},
    ):
        answer = buy(basket(line("1", "10.00"), at=LATER, member=reference), moment=LATER)
        assert answer["member"] == str(one.public_id)
    assert held(one) == (30, 0, 0)
    assert sound()


def test_the_first_purchases_of_both_count_for_the_tier(two: tuple[Member, Member]) -> None:
    one, other = two
    bought(CARD, line("1", "300.00"))
    bought(OTHER, line("1", "250.00"))
    merge(one, other)

    answer = buy(basket(line("1", "1.00"), at=LATER, member={"identifier": CARD}), moment=LATER)

    assert answer["tier"] == {"before": "silver", "after": "silver"}


def test_a_redemption_of_a_merged_member_is_given_back_to_the_survivor(
    two: tuple[Member, Member],
) -> None:
    from campaigns.tests.shop import program_file
    from loyalty_site.tests.staffed import REWARDS
    from members.models import Program

    apply(program_file(rewards=REWARDS), moment=NOON)
    one, other = two
    bought(OTHER, line("1", "200.00"))
    order = redemptions.Order(member=other, reward="coffee", mode="capture", caller="client:till")
    made = redemptions.redeem(program=Program.objects.get(), order=order, moment=NOON)
    merge(one, other)

    redemptions.cancel(public_id=made.public_id, caller="test", moment=LATER, member_id=one.pk)

    assert held(one) == (200, 0, 0)
    assert held(other) == (0, 0, 0)
    assert sound()


def test_apart_again_a_return_takes_from_the_one_who_bought(two: tuple[Member, Member]) -> None:
    one, other = two
    bought(CARD, line("1", "20.00"))
    body = bought(OTHER, line("1", "100.00"))
    row = merge(one, other)
    merging.undo(merge_id=row, by=None, moment=LATER)

    bring_back(refund(body, ("1", "1"), at=LATER), moment=LATER + DAY)

    assert (held(one), held(other)) == ((20, 0, 0), (0, 0, 0))
    assert sound()


def test_points_that_ended_while_they_wait_move_on_and_get_grace_when_they_come() -> None:
    waits = {"pending": {"until": "approval"}, "expiry": {"model": "fixed_after", "days": 20}}
    apply(program_file(waits))
    one, other = join(CARD), join(OTHER)
    bought(OTHER, line("1", "100.00"))
    late = NOON + 30 * DAY

    merge(one, other, moment=late)
    assert (held(one), held(other)) == ((0, 100, 0), (0, 0, 0))
    lots = PointLot.objects.filter(account__member=one, remaining__gt=0)
    waiting.release_lots(lot_ids=[lots.get().pk], moment=late + DAY, actor="staff:1")

    assert held(one) == (100, 0, 0)
    ends_at = lots.get().expires_at
    assert ends_at is not None
    assert timedelta(days=30) < ends_at - (late + DAY) <= timedelta(days=31)
    assert sound()
