"""What members did beside buying."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.api.bodies import EventBody, parse_event
from campaigns.api.purchases import CURRENCY, key_of, respond
from campaigns.api.schemas import EVENT
from campaigns.services import events
from loyalty_site.lib import query
from loyalty_site.lib.drf import ApiView
from loyalty_site.lib.schema import operation


class EventsView(ApiView):
    """Events as shops and apps tell them."""

    @operation(
        "post_event",
        "Post an event",
        access=("events:write",),
        tag="events",
        request=EventBody,
        responses={200: EVENT, 201: EVENT},
        problems=(409, 422),
        query=(CURRENCY,),
        idempotent=True,
        dry_run=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Keep it and give what its rules say."""
        dry_run = query.flag(request._request, "dry_run")
        key = None if dry_run else key_of(self)
        return respond(
            events.process_event(
                body=parse_event(self.json_body()),
                actor=self.caller.key,
                moment=timezone.now(),
                key=key,
                currency=query.text(request._request, "currency"),
                dry_run=dry_run,
            )
        )
