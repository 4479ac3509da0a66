"""Vouchers at the till, through the services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from members.models import OutboxEvent, Program, Purchase
from rewards.models import Redemption, Voucher
from rewards.services import redemptions, vouchers
from rewards.services.refusals import VoucherNotFound
from rewards.tests.factories import (
    CALLER,
    NOW,
    earn,
    make_member,
    make_program,
    make_reward,
    redeem,
)

LAST_INSTANT = datetime(2026, 4, 9, 22, 59, 59, tzinfo=UTC)


@pytest.fixture
def redemption(db: None) -> Redemption:
    """Return a redemption with a voucher."""
    program = make_program()
    make_reward(program)
    member = make_member(program)
    earn(member, 500)
    return redeem(member)


def use(program: Program, code: str, at: datetime = NOW, ref: str | None = None) -> Voucher:
    """Use a voucher."""
    purchase = None if ref is None else vouchers.PurchaseRef("pos", ref)
    return vouchers.use(program=program, code=code, purchase=purchase, caller=CALLER, moment=at)


def test_a_voucher_is_used_once(redemption: Redemption) -> None:
    code = redemption.voucher.code

    used = use(redemption.program, code.lower().replace("-", " "))

    assert (used.state, used.used_at, used.used_by, used.purchase_ref) == (
        "used",
        NOW,
        CALLER,
        None,
    )
    assert OutboxEvent.objects.filter(kind="voucher_used").count() == 1
    with pytest.raises(VoucherNotFound):
        use(redemption.program, code)


@pytest.mark.parametrize("is_known", [True, False])
def test_the_purchase_is_named_and_linked_when_it_is_known(
    redemption: Redemption, is_known: bool
) -> None:
    purchase = None
    if is_known:
        purchase = Purchase.objects.create(
            program=redemption.program,
            source="pos",
            external_id="R-1",
            content_key=b"",
            occurred_at=NOW,
            recorded_at=NOW,
            currency="EUR",
            net=10,
        )

    used = use(redemption.program, redemption.voucher.code, ref="R-1")

    assert used.purchase == purchase
    assert used.purchase_ref == {"source": "pos", "external_id": "R-1"}


def test_a_voucher_is_good_through_its_last_day(redemption: Redemption) -> None:
    code = redemption.voucher.code

    with pytest.raises(VoucherNotFound):
        use(redemption.program, code, at=LAST_INSTANT + timedelta(seconds=1))

    assert use(redemption.program, code, at=LAST_INSTANT).state == "used"


def test_a_cancelled_voucher_is_not_found(redemption: Redemption) -> None:
    redemptions.cancel(public_id=redemption.public_id, caller=CALLER, moment=NOW)

    for attempt in (vouchers.look_up, _use_by_name):
        with pytest.raises(VoucherNotFound) as refused:
            attempt(program=redemption.program, code=redemption.voucher.code, moment=NOW)
        assert refused.value.figures == {}


def _use_by_name(*, program: Program, code: str, moment: datetime) -> Voucher:
    return use(program, code, moment)


@pytest.mark.parametrize("code", ["34679-34679-34679", "nonsense", "\u0661" * 15])
def test_an_unknown_code_is_not_found(redemption: Redemption, code: str) -> None:
    with pytest.raises(VoucherNotFound):
        vouchers.look_up(program=redemption.program, code=code, moment=NOW)
