"""Redemptions through the services: what they move and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from loyalty_site.lib.errors import DomainError
from members.models import (
    LedgerTransaction,
    Member,
    OutboxEvent,
    PointLot,
    Program,
    Segment,
    SegmentMembership,
)
from rewards.models import Redemption, Reward, Voucher
from rewards.services import redemptions
from rewards.services.refusals import (
    AlreadyResolved,
    InsufficientPoints,
    OutOfStock,
    RedemptionConflict,
    RedemptionRefused,
    UnknownReward,
)
from rewards.tests.factories import (
    NOW,
    balances,
    cancel,
    capture,
    earn,
    make_member,
    make_program,
    make_reward,
    owe,
    put_in_tier,
    redeem,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def program(db: None) -> Program:
    """Return an empty program."""
    return make_program()


@pytest.fixture
def member(program: Program) -> Member:
    """Return a member with 500 points."""
    member = make_member(program)
    earn(member, 500)
    return member


def test_redeeming_moves_the_points_and_issues_a_voucher(member: Member) -> None:
    make_reward(member.program)

    made = redeem(member, quantity=2)

    assert (made.state, made.points, made.quantity) == ("fulfilled", 300, 2)
    assert balances(member) == (200, 0, 0, 0)
    assert made.voucher.expires_at == datetime(2026, 4, 9, 23, tzinfo=UTC)
    assert made.voucher.state == "issued"
    debit = LedgerTransaction.objects.get(type="redeem")
    assert debit.pk == made.debit_id
    assert (debit.type, debit.source, debit.external_ref, debit.occurred_at) == (
        "redeem",
        "redemption",
        str(made.public_id),
        NOW,
    )
    told = OutboxEvent.objects.get(kind="redemption_made")
    assert told.payload == {
        "redemption": str(made.public_id),
        "reward": made.reward.name,
        "reward_code": "coffee",
        "points": 300,
        "quantity": 2,
    }


def test_the_lots_that_expire_first_are_taken_first(program: Program) -> None:
    member = make_member(program)
    make_reward(program)
    never = earn(member, 100)
    soon = earn(member, 100, expires_at=NOW + 2 * MINUTE)
    later = earn(member, 100, expires_at=NOW + 9 * MINUTE)

    redeem(member)

    left = dict(PointLot.objects.values_list("transaction_id", "remaining"))
    assert left == {soon.pk: 0, later.pk: 50, never.pk: 100}


@pytest.mark.parametrize(
    ("_case", "kind", "voucher_days", "state"),
    [
        ("goods have to be handed over", "physical", None, "requested"),
        ("a voucher hands goods over", "physical", 30, "fulfilled"),
        ("a service by voucher", "service", 30, "fulfilled"),
        ("a donation", "donation", None, "fulfilled"),
        ("a badge", "badge", None, "fulfilled"),
    ],
)
def test_what_is_complete_at_once_is_fulfilled(
    member: Member, _case: str, kind: str, voucher_days: int | None, state: str
) -> None:
    make_reward(member.program, kind=kind, voucher_valid_days=voucher_days)

    made = redeem(member)

    assert made.state == state
    assert Voucher.objects.exists() is (voucher_days is not None)


def test_goods_are_handed_over_once(member: Member) -> None:
    make_reward(member.program, kind="physical", voucher_valid_days=None)
    made = redeem(member)

    done = redemptions.fulfill(public_id=made.public_id, moment=NOW)

    assert done.state == "fulfilled"
    with pytest.raises(AlreadyResolved):
        redemptions.fulfill(public_id=made.public_id, moment=NOW)


# Refusals ------------------------------------------------------------------------------------


def suspended(member: Member) -> None:
    """Suspend the member."""
    Member.objects.filter(pk=member.pk).update(status="suspended")


def in_debt(member: Member) -> None:
    """Let the member owe 40."""
    owe(member, 40)


def sold_out(member: Member) -> None:
    """Leave no piece."""
    Reward.objects.update(stock=0)


def below_the_tier(member: Member) -> None:
    """Ask for a tier that the member does not have."""
    Reward.objects.update(tiers=["gold"])


def too_dear(member: Member) -> None:
    """Ask for more than the member has."""
    Reward.objects.update(points_price=580)


def not_yet(member: Member) -> None:
    """Begin a minute later."""
    Reward.objects.update(redeemable_from=NOW + MINUTE)


def ended(member: Member) -> None:
    """End at the moment."""
    Reward.objects.update(redeemable_to=NOW)


def outside_the_segment(member: Member) -> None:
    """Ask for a segment."""
    Reward.objects.update(segment="regulars")


@pytest.mark.parametrize(
    ("_case", "hindrances", "code", "reasons"),
    [
        ("too few points", [too_dear], "insufficient_points", ["insufficient_points"]),
        ("tier", [below_the_tier], "reward_not_available", ["tier_too_low"]),
        ("stock", [sold_out], "out_of_stock", ["out_of_stock"]),
        ("early", [not_yet], "reward_not_available", ["not_yet"]),
        ("late", [ended], "reward_not_available", ["ended"]),
        ("segment", [outside_the_segment], "reward_not_available", ["not_in_segment"]),
        ("suspended", [suspended], "member_suspended", ["member_suspended"]),
        ("debt", [in_debt], "in_debt", ["in_debt"]),
        (
            "everything at once",
            [too_dear, below_the_tier, sold_out, suspended, in_debt],
            "member_suspended",
            ["insufficient_points", "tier_too_low", "out_of_stock", "member_suspended", "in_debt"],
        ),
        (
            "debt before stock",
            [sold_out, in_debt, too_dear],
            "in_debt",
            ["insufficient_points", "out_of_stock", "in_debt"],
        ),
        (
            "stock before the tier",
            [sold_out, below_the_tier],
            "out_of_stock",
            ["tier_too_low", "out_of_stock"],
        ),
        (
            "the tier before points",
            [too_dear, below_the_tier],
            "reward_not_available",
            ["insufficient_points", "tier_too_low"],
        ),
    ],
)
def test_the_first_refusal_is_told_with_all_reasons_and_nothing_moves(
    member: Member,
    _case: str,
    hindrances: list[Callable[[Member], None]],
    code: str,
    reasons: list[str],
) -> None:
    make_reward(member.program)
    for hinder in hindrances:
        hinder(member)
    before = balances(member)

    with pytest.raises(DomainError) as refused:
        redeem(member)

    assert refused.value.code == code
    assert refused.value.status == 409
    assert getattr(refused.value, "is_stored_refusal", False) is True
    assert [reason["code"] for reason in refused.value.figures["reasons"]] == reasons
    assert balances(member) == before
    assert Redemption.objects.exists() is False


def test_too_few_points_are_told_in_figures(member: Member) -> None:
    make_reward(member.program)

    with pytest.raises(InsufficientPoints) as refused:
        redeem(member, quantity=4)

    assert refused.value.figures == {
        "available": 500,
        "required": 600,
        "reasons": [
            {
                "code": "insufficient_points",
                "text": "You have 500 points and need 100 points more.",
                "missing_points": 100,
            }
        ],
    }


def test_reasons_are_sentences_with_figures(member: Member) -> None:
    put_in_tier(member, "bronze")
    put_in_tier(make_member(member.program), "gold", threshold=500)
    make_reward(member.program, stock=1, tiers=["gold"], limit_uses=1, limit_period="month")
    in_debt(member)

    with pytest.raises(DomainError) as refused:
        redeem(member, quantity=2)

    assert {reason["code"]: reason["text"] for reason in refused.value.figures["reasons"]} == {
        "tier_too_low": "Only for members in Gold.",
        "out_of_stock": "Only 1 is left.",
        "member_limit": "Each member can have 1; you have had 0.",
        "in_debt": "A return left a debt of 40 points, which has to be earned first.",
    }


def test_a_member_of_the_tier_and_segment_may_redeem(member: Member) -> None:
    put_in_tier(member, "gold")
    segment = Segment.objects.create(program=member.program, code="regulars")
    SegmentMembership.objects.create(segment=segment, member=member, entered_at=NOW)
    make_reward(member.program, tiers=["silver", "gold"], segment="regulars")

    assert redeem(member).state == "fulfilled"


def test_a_reward_of_no_catalog_is_unknown(member: Member) -> None:
    make_reward(member.program, is_retired=True)

    with pytest.raises(UnknownReward):
        redeem(member)
    with pytest.raises(UnknownReward):
        redeem(member, "tea")


def test_points_that_are_due_count_at_once(program: Program) -> None:
    member = make_member(program)
    make_reward(program)
    earn(member, 150, at=NOW - 9 * MINUTE, available_at=NOW)

    redeem(member)

    assert balances(member) == (0, 0, 0, 0)


def test_expired_points_buy_nothing(program: Program) -> None:
    member = make_member(program)
    make_reward(program)
    earn(member, 150, expires_at=NOW)

    with pytest.raises(InsufficientPoints) as refused:
        redeem(member)

    assert refused.value.figures["available"] == 0


def test_a_label_is_used_once_by_each_caller(member: Member) -> None:
    make_reward(member.program)
    first = redeem(member, external_id="order-1")

    with pytest.raises(RedemptionConflict) as refused:
        redeem(member, external_id="order-1")
    other = redeem(member, external_id="order-1", caller="client:shop")

    assert refused.value.figures == {"redemption": str(first.public_id)}
    assert other.external_id == "order-1"
    assert balances(member) == (200, 0, 0, 0)


# Limits and stock ----------------------------------------------------------------------------


def test_a_limit_counts_pieces_within_the_local_period(member: Member) -> None:
    make_reward(member.program, points_price=10, limit_uses=2, limit_period="month")
    last_of_march = datetime(2026, 3, 31, 22, 59, tzinfo=UTC)

    redeem(member, at=last_of_march, quantity=2)
    with pytest.raises(RedemptionRefused) as refused:
        redeem(member, at=last_of_march)
    again = redeem(member, at=last_of_march + MINUTE)

    assert refused.value.code == "reward_not_available"
    assert [reason["code"] for reason in refused.value.figures["reasons"]] == ["member_limit"]
    assert again.limit_period_start == datetime(2026, 4, 1).date()  # noqa: DTZ001


def test_a_cancelled_or_lapsed_redemption_gives_the_limit_back(member: Member) -> None:
    make_reward(member.program, limit_uses=1, limit_period="lifetime")

    cancel(redeem(member))
    redeem(member, mode="hold")
    with pytest.raises(RedemptionRefused):
        redeem(member, at=NOW + 14 * MINUTE)
    again = redeem(member, at=NOW + 15 * MINUTE)

    assert again.state == "fulfilled"


def test_stock_counts_down_to_nothing(member: Member) -> None:
    reward = make_reward(member.program, stock=3)

    redeem(member, quantity=2)
    with pytest.raises(OutOfStock):
        redeem(member, quantity=2)

    reward.refresh_from_db()
    assert reward.stock == 1


def test_cancelling_puts_pieces_back(member: Member) -> None:
    reward = make_reward(member.program, stock=3)

    cancel(redeem(member, quantity=2))

    reward.refresh_from_db()
    assert reward.stock == 3


def test_the_piece_of_a_lapsed_hold_goes_to_the_next_member(member: Member) -> None:
    reward = make_reward(member.program, stock=1)
    held = redeem(member, mode="hold")
    other = make_member(member.program)
    earn(other, 500)

    with pytest.raises(OutOfStock):
        redeem(other, at=NOW + 14 * MINUTE)
    redeem(other, at=NOW + 15 * MINUTE)

    held.refresh_from_db()
    reward.refresh_from_db()
    assert held.state == "expired"
    assert reward.stock == 0
    with pytest.raises(AlreadyResolved) as refused:
        capture(held, at=NOW + 14 * MINUTE)
    assert refused.value.figures == {"state": "expired"}
