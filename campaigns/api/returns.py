"""Goods that come back."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.api.bodies import ReturnBody, parse_return
from campaigns.api.purchases import CURRENCY, key_of, respond
from campaigns.api.schemas import RETURN
from campaigns.queries import rulebook
from campaigns.services import intake, returns
from loyalty_site.lib import query
from loyalty_site.lib.drf import ApiView
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.schema import operation
from members.models import Return


class ReturnsView(ApiView):
    """Returns as tills tell them."""

    @operation(
        "post_return",
        "Post a return",
        access=("purchases:write",),
        tag="purchases",
        request=ReturnBody,
        responses={200: RETURN, 201: RETURN, 202: RETURN},
        problems=(409, 422),
        query=(CURRENCY,),
        idempotent=True,
        dry_run=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Take goods back; one that comes before its purchase waits for it."""
        dry_run = query.flag(request._request, "dry_run")
        key = None if dry_run else key_of(self)
        return respond(
            returns.process_return(
                body=parse_return(self.json_body()),
                actor=self.caller.key,
                moment=timezone.now(),
                key=key,
                currency=query.text(request._request, "currency"),
                dry_run=dry_run,
            )
        )


class ReturnView(ApiView):
    """One return."""

    @operation(
        "get_return",
        "Read a return",
        access=("purchases:write",),
        tag="purchases",
        responses={200: RETURN},
        query=(CURRENCY,),
        conditional=True,
    )
    def get(self, request: Request, return_id: str) -> HttpResponse:
        """Return it as it stands: applied, parked or rejected."""
        currency = intake.point_currency(
            rulebook.current(), query.text(request._request, "currency")
        )
        found = (
            Return.objects.select_related("purchase")
            .filter(public_id=query.path_id(return_id))
            .first()
        )
        if found is None:
            raise NotFound
        return self.resource(returns.present(found, currency))
