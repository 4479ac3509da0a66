"""Bring two members together with what they redeemed."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from members.models import MemberMerge, User
from members.services import ledger, merging, pool_ends
from members.services.merging import Wanted
from rewards.models import Redemption, Voucher
from rewards.services import redemptions


@transaction.atomic
def merge_members(*, wanted: Wanted, by: User | None, moment: datetime) -> MemberMerge:
    """Merge one member into another; codes stay good, or are cancelled first if so wanted.

    What is cancelled gives its points back before they move. Codes that stay are the survivor's
    to use, and giving one back later brings its points to the survivor.

    :raises CannotMerge: one of the members is not open, or has points held.
    """
    # What is cancelled locks its payer, and leaving a pool everybody in it: all at once, in order.
    rows = [wanted.survivor_id, wanted.merged_id]
    ledger.lock(member_ids=[*rows, *pool_ends.people_around(wanted.merged_id)])
    if wanted.vouchers == MemberMerge.Vouchers.CANCEL:
        unused = Redemption.objects.filter(
            member=wanted.merged_id, voucher__state=Voucher.State.ISSUED
        ).exclude(state__in=[Redemption.State.CANCELLED, Redemption.State.EXPIRED])
        for public_id in unused.order_by("pk").values_list("public_id", flat=True):
            redemptions.cancel(public_id=public_id, caller="merge", moment=moment, reason="merged")
    return merging.merge(wanted=wanted, by=by, moment=moment)
