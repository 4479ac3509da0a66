"""Vouchers at the till: looked up, and used once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from members.models import Program, Purchase
from members.services import outbox
from rewards import vouchers
from rewards.models import Voucher
from rewards.services.refusals import VoucherNotFound


@dataclass(frozen=True, slots=True)
class PurchaseRef:
    """The purchase that a voucher is used for, as the till names it."""

    source: str
    external_id: str


def look_up(*, program: Program, code: str, moment: datetime) -> Voucher:
    """Return the voucher, if a till can accept it now.

    :raises VoucherNotFound: the code is unknown or its voucher cannot be used; which of the
        two is not told, so that guessing teaches nothing.
    """
    voucher = _usable(program, code, moment).select_related("redemption__reward").first()
    if voucher is None:
        raise VoucherNotFound
    return voucher


@transaction.atomic
def use(
    *, program: Program, code: str, purchase: PurchaseRef | None, caller: str, moment: datetime
) -> Voucher:
    """Return the voucher, used now; of two tills that try at once, one succeeds.

    The purchase is linked when it is known already; its name is kept in any case.

    :raises VoucherNotFound: as ``look_up``.
    """
    voucher = look_up(program=program, code=code, moment=moment)
    known = None
    if purchase is not None:
        known = Purchase.objects.filter(
            program=program, source=purchase.source, external_id=purchase.external_id
        ).first()
    ref = purchase and {"source": purchase.source, "external_id": purchase.external_id}
    # Whether it can still be used is decided by the update itself. The condition stands on the
    # row alone: PostgreSQL judges it again on the row that it waited for, a join it does not.
    used = Voucher.objects.filter(pk=voucher.pk, state=Voucher.State.ISSUED).update(
        state=Voucher.State.USED,
        used_at=moment,
        used_by=caller,
        purchase=known,
        purchase_ref=ref,
    )
    if not used:
        raise VoucherNotFound
    voucher.refresh_from_db(fields=["state", "used_at", "used_by", "purchase", "purchase_ref"])
    redemption = voucher.redemption
    outbox.record(
        program_id=program.pk,
        kind="voucher_used",
        member_id=redemption.member_id,
        payload={
            "redemption": str(redemption.public_id),
            "reward": redemption.reward.name or redemption.reward.code,
            "reward_code": redemption.reward.code,
        },
        moment=moment,
    )
    return voucher


def _usable(program: Program, code: str, moment: datetime) -> QuerySet[Voucher]:
    return Voucher.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=moment),
        # A text that cannot be a code is looked for all the same: no answer comes sooner.
        code=vouchers.normalize(code) or "",
        state=Voucher.State.ISSUED,
        redemption__program=program,
    )
