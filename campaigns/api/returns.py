"""Goods that come back."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.api.keyed import CURRENCY, KeyedView
from campaigns.api.schemas import RETURN
from campaigns.bodies import ReturnBody, parse_return
from campaigns.queries import rulebook
from campaigns.services import returns
from loyalty_site.lib import query
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.schema import operation
from members.models import Return


class ReturnsView(KeyedView):
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
        return self.keyed_or_dry(
            lambda key, dry_run: returns.process_return(
                body=parse_return(self.json_body()),
                actor=self.caller.key,
                moment=timezone.now(),
                key=key,
                currency=self.spoken_currency(),
                dry_run=dry_run,
            )
        )


class ReturnView(KeyedView):
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
        currency = rulebook.spoken_currency(self.spoken_currency())
        found = (
            Return.objects.select_related("purchase")
            .filter(public_id=query.path_id(return_id))
            .first()
        )
        if found is None:
            raise NotFound
        return self.resource(returns.present(found, currency))
