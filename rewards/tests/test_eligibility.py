"""Every reason against a reward, and which of them refuses a redemption."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rewards.eligibility import Holding, Offer, first_refusal, reasons

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFFER = Offer(points_price=150)
MEMBER = Holding(available=150)


def test_a_member_with_exactly_the_price_is_eligible() -> None:
    assert reasons(OFFER, MEMBER, NOW) == []
    assert first_refusal([]) is None


@pytest.mark.parametrize(
    ("_case", "offer", "member", "code", "text"),
    [
        (
            "one point short",
            OFFER,
            replace(MEMBER, available=149),
            "insufficient_points",
            "1 point short",
        ),
        (
            "another tier",
            replace(OFFER, tiers=("silver", "gold")),
            replace(MEMBER, tier="bronze"),
            "tier_too_low",
            "Only for silver and gold",
        ),
        ("none left", replace(OFFER, stock=0), MEMBER, "out_of_stock", "Sold out"),
        (
            "a second too early",
            replace(OFFER, redeemable_from=NOW + timedelta(seconds=1)),
            MEMBER,
            "not_yet",
            "Cannot be redeemed yet",
        ),
        (
            "at the end itself",
            replace(OFFER, redeemable_to=NOW),
            MEMBER,
            "ended",
            "Can no longer be redeemed",
        ),
        (
            "used up",
            replace(OFFER, limit_uses=1),
            replace(MEMBER, uses=1),
            "member_limit",
            "At most 1 per member",
        ),
        (
            "outside the segment",
            replace(OFFER, segment="lapsed"),
            MEMBER,
            "not_in_segment",
            "Only for some members",
        ),
        (
            "suspended",
            OFFER,
            replace(MEMBER, status="suspended"),
            "member_suspended",
            "The membership is not active",
        ),
        ("in debt", OFFER, replace(MEMBER, debt=3), "in_debt", "3 points of debt come first"),
    ],
)
def test_each_reason_stands_alone(
    _case: str, offer: Offer, member: Holding, code: str, text: str
) -> None:
    against = reasons(offer, member, NOW)

    assert [(reason.code, reason.text) for reason in against] == [(code, text)]


@pytest.mark.parametrize(
    ("_case", "offer", "member"),
    [
        ("the last one", replace(OFFER, stock=1), MEMBER),
        ("from this moment", replace(OFFER, redeemable_from=NOW), MEMBER),
        ("a named tier", replace(OFFER, tiers=("gold",)), replace(MEMBER, tier="gold")),
        ("the last use", replace(OFFER, limit_uses=2), replace(MEMBER, uses=1)),
        (
            "in the segment",
            replace(OFFER, segment="lapsed"),
            replace(MEMBER, segments=frozenset({"lapsed"})),
        ),
    ],
)
def test_what_is_just_enough_is_enough(_case: str, offer: Offer, member: Holding) -> None:
    assert reasons(offer, member, NOW) == []


def test_a_quantity_multiplies_price_stock_and_uses() -> None:
    offer = replace(OFFER, stock=1, limit_uses=1)

    against = reasons(offer, MEMBER, NOW, quantity=2)

    assert [reason.code for reason in against] == [
        "insufficient_points",
        "out_of_stock",
        "member_limit",
    ]
    assert against[0].missing_points == 150
    assert against[0].figures == {"available": 150, "required": 300}
    assert against[1].text == "Only 1 left"


def test_all_reasons_come_in_the_order_of_the_contract() -> None:
    offer = Offer(
        points_price=10,
        stock=0,
        tiers=("gold",),
        segment="lapsed",
        limit_uses=0,
        redeemable_from=NOW + timedelta(1),
        redeemable_to=NOW,
    )
    member = Holding(available=0, debt=1, status="suspended")

    against = reasons(offer, member, NOW)

    assert [reason.code for reason in against] == [
        "insufficient_points",
        "tier_too_low",
        "out_of_stock",
        "not_yet",
        "ended",
        "member_limit",
        "not_in_segment",
        "member_suspended",
        "in_debt",
    ]


def test_the_refusal_is_the_first_by_precedence() -> None:
    offer = replace(OFFER, stock=0, redeemable_to=NOW)
    member = Holding(available=0, debt=1, status="suspended")
    found = []

    against = reasons(offer, member, NOW)
    while (code := first_refusal(against)) is not None:
        found.append(code)
        against = [
            reason
            for reason in against
            if reason.code != code
            and not (code == "reward_not_available" and reason.code == "ended")
        ]

    assert found == [
        "member_suspended",
        "in_debt",
        "out_of_stock",
        "reward_not_available",
        "insufficient_points",
    ]
