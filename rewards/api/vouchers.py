"""Vouchers at the till."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from loyalty_site.lib.drf import answer
from loyalty_site.lib.ratelimit import take_shared
from loyalty_site.lib.schema import operation
from members.queries.program import current_program
from members.services.idempotency import Outcome
from rewards.api.base import RewardsView
from rewards.api.bodies import VOUCHER, LookupBody, PurchaseRef, UseBody
from rewards.api.redemptions import REDEEM
from rewards.presenters import voucher_body
from rewards.services import vouchers

# A busy till needs a code every few seconds; whoever guesses needs millions of them.
LIMIT_PER_MINUTE = 120


class _VoucherView(RewardsView):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the request against the limit that look-up and use share."""
        super().initial(request, *args, **kwargs)
        take_shared("vouchers", self.caller.key, limit=LIMIT_PER_MINUTE, now=time.time())


class Lookup(_VoucherView):
    """`/vouchers/lookup`."""

    @operation(
        "lookUpVoucher",
        "Look up a voucher that can be used",
        tag="vouchers",
        access=(REDEEM,),
        request=LookupBody,
        responses={200: VOUCHER},
        problems=(404,),
    )
    def post(self, request: Request) -> HttpResponse:
        moment = timezone.now()
        body = self.body(LookupBody)
        found = vouchers.look_up(program=current_program(), code=body.code, moment=moment)
        return answer(voucher_body(found, moment=moment))


class Use(_VoucherView):
    """`/vouchers/use`."""

    @operation(
        "useVoucher",
        "Use a voucher, once",
        tag="vouchers",
        access=(REDEEM,),
        request=UseBody,
        responses={200: VOUCHER},
        problems=(404,),
        idempotent=True,
    )
    def post(self, request: Request) -> HttpResponse:
        moment = timezone.now()

        def act() -> Outcome:
            body = self.body(UseBody)
            used = vouchers.use(
                program=current_program(),
                code=body.code,
                purchase=_purchase(body.purchase),
                caller=self.caller.key,
                moment=moment,
            )
            return 200, voucher_body(used, moment=moment), used.redemption.member_id

        return self.once(act, moment=moment)


def _purchase(named: PurchaseRef | None) -> vouchers.PurchaseRef | None:
    return None if named is None else vouchers.PurchaseRef(named.source, named.external_id)
