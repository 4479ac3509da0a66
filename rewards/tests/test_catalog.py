"""The catalog as the program file states it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from members.models import Program
from rewards.models import Reward
from rewards.services.catalog import Change, apply_rewards
from rewards.tests.factories import NOW, earn, make_member, make_program, redeem

TOTE: dict[str, Any] = {
    "code": "tote",
    "kind": "physical",
    "name": {"en": "Tote bag"},
    "description": {},
    "points_price": 900,
    "stock": 40,
    "tiers": ["silver", "gold"],
    "segment": None,
    "limit": {"per": "member", "period": "lifetime", "uses": 1},
    "voucher": None,
    "redeemable_from": "2026-06-01T00:00:00+01:00",
    "redeemable_to": None,
    "value": None,
    "cost": "2.5",
}
COFFEE: dict[str, Any] = {
    **TOTE,
    **{"code": "coffee", "kind": "service", "name": {"en": "Coffee"}, "points_price": 150},
    **{"stock": None, "tiers": [], "limit": None, "voucher": {"valid_days": 30}},
    **{"redeemable_from": None, "cost": None, "value": "1.2"},
}


@pytest.fixture
def program(db: None) -> Program:
    """Return an empty program."""
    return make_program()


def apply(program: Program, *rewards: dict[str, Any], after: Any = ()) -> list[Change]:
    """Apply rewards, after others."""
    return apply_rewards(
        program=program,
        rewards=rewards,
        moment=NOW,
        previous={section["code"]: section for section in after},
    )


def test_the_file_becomes_the_catalog_in_its_order(program: Program) -> None:
    changes = apply(program, TOTE, COFFEE)

    assert changes == [Change("create", "tote"), Change("create", "coffee")]
    tote, coffee = Reward.objects.order_by("position")
    assert (tote.code, tote.stock, tote.tiers, tote.limit_uses, tote.limit_period) == (
        "tote",
        40,
        ["silver", "gold"],
        1,
        "lifetime",
    )
    assert (tote.redeemable_from, tote.cost, tote.voucher_valid_days) == (
        datetime(2026, 5, 31, 23, tzinfo=UTC),
        Decimal("2.5"),
        None,
    )
    assert (coffee.stock, coffee.limit_uses, coffee.voucher_valid_days, coffee.value) == (
        None,
        None,
        30,
        Decimal("1.2"),
    )


def test_the_same_file_again_changes_nothing(program: Program) -> None:
    apply(program, TOTE, COFFEE)

    assert apply(program, TOTE, COFFEE, after=[TOTE, COFFEE]) == []


def test_an_unchanged_stock_does_not_refill_what_was_redeemed(program: Program) -> None:
    apply(program, {**TOTE, "tiers": [], "redeemable_from": None})
    member = make_member(program)
    earn(member, 900)
    redeem(member, "tote")

    dearer = {**TOTE, "tiers": [], "redeemable_from": None, "points_price": 950}
    changes = apply(program, dearer, after=[TOTE])

    assert changes == [Change("change", "tote", ("points_price",))]
    assert Reward.objects.get().stock == 39


@pytest.mark.parametrize(("_case", "stock"), [("more", 60), ("none", 0), ("unlimited", None)])
def test_another_stock_in_the_file_is_set(program: Program, _case: str, stock: int | None) -> None:
    apply(program, TOTE)
    Reward.objects.update(stock=7)

    changes = apply(program, {**TOTE, "stock": stock}, after=[TOTE])

    assert changes == [Change("change", "tote", ("stock",))]
    assert Reward.objects.get().stock == stock


def test_what_the_file_no_longer_has_is_retired_and_can_come_back(program: Program) -> None:
    apply(program, TOTE, COFFEE)

    assert apply(program, TOTE, after=[TOTE, COFFEE]) == [Change("retire", "coffee")]
    assert Reward.objects.get(code="coffee").is_retired is True
    assert apply(program, TOTE, after=[TOTE]) == []
    assert apply(program, TOTE, COFFEE, after=[TOTE]) == [
        Change("change", "coffee", ("is_retired",))
    ]


def test_a_voucher_without_days_never_ends(program: Program) -> None:
    apply(program, {**COFFEE, "voucher": {"valid_days": None}})
    member = make_member(program)
    earn(member, 900)

    made = redeem(member)

    assert made.voucher.expires_at is None
