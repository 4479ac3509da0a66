"""What members send to each other."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils import timezone
from msgspec import Meta
from rest_framework.request import Request

from loyalty_site.lib import cursors, query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.reading import Body, Text64, Text254, read
from loyalty_site.lib.schema import (
    COUNT,
    FLAG,
    ID,
    INSTANT,
    MEMBER,
    POINTS,
    TEXT,
    array,
    choice,
    listing,
    nullable,
    operation,
    record,
)
from members.api.keyed import KeyedMembersView
from members.api.recent import recent_session
from members.models import Member, Transfer
from members.presenters import transfer_body
from members.queries.program import point_currency
from members.services import transfer_ends, transfers
from members.services.idempotency import Outcome
from members.transferring import POINTS_MAX, terms_of

OWN = (MEMBER,)


class TransferBody(Body, frozen=True):
    """How many points go to whom: a member number, a card, an e-mail address or a telephone."""

    to: Text254
    points: Annotated[int, Meta(ge=1, le=POINTS_MAX)]
    currency: Text64 | None = None


TRANSFER = record(
    id=ID,
    direction=choice("sent", "received"),
    state=choice(*Transfer.State.values),
    to=nullable(TEXT),
    points=POINTS,
    fee=COUNT,
    currency=TEXT,
    requested_at=INSTANT,
    completes_at=INSTANT,
    can_cancel=FLAG,
)
TRANSFER_QUOTE = record(
    to=TEXT,
    points=POINTS,
    fee=COUNT,
    lots=array(record(points=POINTS, expires_at=nullable(INSTANT))),
    balance_after=POINTS,
    arrives_at=INSTANT,
    eligible=FLAG,
    reasons=array(record(code=TEXT, text=TEXT)),
)


class MyTransfersView(KeyedMembersView):
    """The member's transfers."""

    @operation(
        "list_my_transfers",
        "Read what you sent and received, newest first",
        access=OWN,
        tag="me",
        responses={200: listing(TRANSFER)},
        problems=(404,),
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer a page of transfers; what is on its way to the member is not told before."""
        member, moment = self.me(), timezone.now()
        rows = Transfer.objects.filter(
            Q(sender=member) | Q(recipient=member, state=Transfer.State.COMPLETED)
        ).select_related("currency")
        fetch, key_of = cursors.keyset(rows, "-requested_at", "-pk")
        return answer(
            cursors.answer_page(
                request._request,
                fetch,
                key_of=key_of,
                serialize=lambda row: transfer_body(row, member_id=member.pk, moment=moment),
                scope=str(member.pk),
            )
        )

    @operation(
        "send_points",
        "Send points to another member, who gets them after the cooling",
        access=OWN,
        tag="me",
        request=TransferBody,
        responses={201: TRANSFER},
        problems=(404, 409, 422),
        idempotent=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Hold the points; above the terms' limit the login must be a recent one."""
        member, moment = self.me(), timezone.now()

        def act() -> Outcome:
            body = read(TransferBody, self.json_body())
            self._require_recent_login(member, body)
            made = transfers.request(
                sender=member,
                to=body.to,
                points=body.points,
                currency=body.currency,
                actor=self.caller.key,
                moment=moment,
            )
            return 201, transfer_body(made, member_id=member.pk, moment=moment), member.pk

        return self.once(act, moment=moment)

    def _require_recent_login(self, member: Member, body: TransferBody) -> None:
        terms = terms_of(point_currency(member.program, body.currency).transfers)
        if terms is not None and body.points > terms.confirm_above:
            recent_session(self.request, timezone.now())


class MyTransferQuoteView(KeyedMembersView):
    """What sending would take."""

    @operation(
        "quote_my_transfer",
        "Say what sending points would take, lot by lot; nothing is written",
        access=OWN,
        tag="me",
        request=TransferBody,
        responses={200: TRANSFER_QUOTE},
        problems=(404, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the fee, the lots and every reason against."""
        member, body = self.me(), read(TransferBody, self.json_body())
        found = transfers.quote(
            sender=member,
            to=body.to,
            points=body.points,
            currency=body.currency,
            moment=timezone.now(),
        )
        return answer(_quote_body(found))


class MyTransferCancelView(KeyedMembersView):
    """The end of a transfer by its sender."""

    @operation(
        "cancel_my_transfer",
        "Take back points that have not arrived yet",
        access=OWN,
        tag="me",
        responses={200: TRANSFER},
        problems=(404, 409),
        idempotent=True,
    )
    def post(self, request: Request, transfer_id: str) -> HttpResponse:
        """Answer the transfer, cancelled."""
        member, moment = self.me(), timezone.now()

        def act() -> Outcome:
            row = transfer_ends.cancel(
                public_id=query.path_id(transfer_id),
                actor=self.caller.key,
                moment=moment,
                sender_id=member.pk,
            )
            return 200, transfer_body(row, member_id=member.pk, moment=moment), member.pk

        return self.once(act, moment=moment)


def _quote_body(found: transfers.Decision) -> dict[str, Any]:
    return {
        "to": found.target.hint,
        "points": found.points,
        "fee": found.fee,
        "lots": [{"points": lot.points, "expires_at": lot.expires_at} for lot in found.lots],
        "balance_after": found.balance_after,
        "arrives_at": found.arrives_at,
        "eligible": not found.reasons,
        "reasons": transfers.told_reasons(found),
    }
