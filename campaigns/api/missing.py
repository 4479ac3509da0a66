"""Points that a member misses, told by the receipt."""

from __future__ import annotations

from datetime import date

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.api.schemas import WHOLE_PURCHASE
from campaigns.models import ClaimCase
from campaigns.presenters import claim_case
from campaigns.queries.missing import Receipt
from campaigns.services import missing
from loyalty_site.lib import cursors
from loyalty_site.lib.drf import answer
from loyalty_site.lib.problems import FieldError, Invalid
from loyalty_site.lib.reading import Amount, Body, Text64, read
from loyalty_site.lib.schema import (
    DATE,
    ID,
    INSTANT,
    MEMBER,
    MONEY,
    TEXT,
    choice,
    listing,
    nullable,
    operation,
    record,
)
from members.api.keyed import KeyedMembersView
from members.services.idempotency import Outcome

OWN = (MEMBER,)


class ReceiptBody(Body, frozen=True):
    """What stands on the receipt; the day is of the program's calendar."""

    receipt: Text64
    date: date
    total: Amount


CASE = record(
    id=ID,
    receipt=TEXT,
    date=DATE,
    total=MONEY,
    state=choice(*ClaimCase.State.values),
    answer=nullable(TEXT),
    purchase=nullable(ID),
    made_at=INSTANT,
    decided_at=nullable(INSTANT),
)
TOLD = record(purchase=nullable(WHOLE_PURCHASE), case=nullable(CASE))


class MyClaimsView(KeyedMembersView):
    """The receipts whose points the member misses."""

    @operation(
        "list_my_claims",
        "Read the receipts that wait for staff, and what became of others, newest first",
        access=OWN,
        tag="me",
        responses={200: listing(CASE)},
        problems=(404,),
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer a page of cases."""
        member = self.me()
        rows = ClaimCase.objects.filter(member__in=member.rows).select_related("purchase")
        fetch, key_of = cursors.keyset(rows, "-made_at", "-pk")
        return answer(
            cursors.answer_page(
                request._request,
                fetch,
                key_of=key_of,
                serialize=claim_case,
                scope=str(member.pk),
            )
        )

    @operation(
        "claim_by_receipt",
        "Get the points of a purchase made without a card; what matches none is left to staff",
        access=OWN,
        tag="me",
        request=ReceiptBody,
        responses={200: TOLD, 202: TOLD},
        problems=(404, 409, 422, 429),
        idempotent=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the purchase with 200, or the case with 202."""
        member, moment = self.me(), timezone.now()

        def act() -> Outcome:
            body = read(ReceiptBody, self.json_body())
            if not body.total:
                detail = "The total is above zero."
                raise Invalid([FieldError("/total", "out_of_range", detail)])
            found = missing.claim_by_receipt(
                member=member,
                receipt=Receipt(body.receipt.strip(), body.date, body.total),
                actor=self.caller.key,
                moment=moment,
            )
            case = None if found.case is None else claim_case(found.case)
            status = 202 if case else 200
            return status, {"purchase": found.purchase, "case": case}, member.pk

        return self.once(act, moment=moment)
