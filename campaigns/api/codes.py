"""Codes that a member's app redeems."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.api.keyed import CURRENCY, respond
from campaigns.api.schemas import EVENT
from campaigns.services import codes
from loyalty_site.lib import query
from loyalty_site.lib.reading import Body, Text64, read
from loyalty_site.lib.schema import MEMBER, operation
from members.api.base import MembersView


class CodeBody(Body, frozen=True):
    """A code as it is printed; case, spaces and hyphens do not matter."""

    code: Text64


class MyCodesView(MembersView):
    """The codes that the member finds on lids, receipts and posters."""

    @operation(
        "redeem_code",
        "Redeem a code that earns points",
        access=(MEMBER,),
        tag="me",
        request=CodeBody,
        responses={200: EVENT, 201: EVENT},
        problems=(404, 429),
        query=(CURRENCY,),
    )
    def post(self, request: Request) -> HttpResponse:
        """Give what the rules say; the code is the key, so that a repeat finds the first answer."""
        member, body = self.me(), read(CodeBody, self.json_body())
        return respond(
            codes.redeem(
                member=member,
                code=body.code,
                actor=self.caller.key,
                moment=timezone.now(),
                currency=query.text(request._request, "currency"),
            )
        )
