"""What members did beside buying."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.api.keyed import CURRENCY, KeyedView
from campaigns.api.schemas import EVENT
from campaigns.bodies import EventBody, parse_event
from campaigns.services import events
from loyalty_site.lib.schema import operation


class EventsView(KeyedView):
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
        return self.keyed_or_dry(
            lambda key, dry_run: events.process_event(
                body=parse_event(self.json_body()),
                actor=self.caller.key,
                moment=timezone.now(),
                key=key,
                currency=self.spoken_currency(),
                dry_run=dry_run,
            )
        )
