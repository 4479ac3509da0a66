"""A redemption that is to be resolved: its rows locked, its hold and its voucher looked at."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from loyalty_site.lib.problems import NotFound
from members.models import LedgerHold
from members.services import ledger, merged_rows
from rewards.models import Redemption, Voucher
from rewards.queries.redemptions import is_of, joined
from rewards.services import holds
from rewards.services.refusals import VoucherUsed


def locked(
    *,
    public_id: UUID,
    moment: datetime,
    caller: str,
    member_id: int | None = None,
    with_stock: bool = False,
) -> Redemption:
    """Return the redemption to be resolved; its member, its payer and it are locked and settled.

    With ``member_id`` only that member's redemptions are found.

    :raises NotFound: there is none.
    """
    found = Redemption.objects.select_related("member").filter(public_id=public_id)
    if member_id is not None:
        found = found.filter(is_of(member_id))
    unlocked = found.first()
    if unlocked is None:
        raise NotFound
    ledger.settle_due(
        member_ids=[
            *merged_rows.together(unlocked.member),
            *([unlocked.payer_id] if unlocked.payer_id else []),
        ],
        moment=moment,
        recorded_at=moment,
        actor=caller,
    )
    if with_stock:
        holds.lock_stock(reward_id=unlocked.reward_id)
    return row(joined().filter(public_id=public_id))


def row(rows: QuerySet[Redemption]) -> Redemption:
    """Return the one redemption of the rows, locked.

    :raises NotFound: there is none.
    """
    redemption = rows.select_for_update(of=("self",), no_key=True).first()
    if redemption is None:
        raise NotFound
    return redemption


def is_open(redemption: Redemption) -> bool:
    """Return whether its points are still held."""
    return LedgerHold.objects.filter(transaction_id=redemption.hold_id, is_open=True).exists()


def void_voucher(redemption: Redemption) -> None:
    """Void the voucher, if there is one.

    :raises VoucherUsed: a till has accepted it.
    """
    voided = Voucher.objects.filter(
        redemption=redemption, state__in=[Voucher.State.ISSUED, Voucher.State.EXPIRED]
    ).update(state=Voucher.State.CANCELLED)
    # Read after the update: a till may have used the voucher while this waited for its row.
    if not voided and Voucher.objects.filter(redemption=redemption, state="used").exists():
        raise VoucherUsed
