"""What the operations that move points share: the key, the rehearsal, the answer."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse

from campaigns.services import keys
from campaigns.services.keys import Key, Outcome
from loyalty_site.lib import query
from loyalty_site.lib.drf import MEDIA_TYPE, ApiView
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.schema import TEXT, parameter

CURRENCY = parameter("currency", TEXT, "The point currency that the answer speaks of.")
# Faults of the request itself, which come after its key.
FAULTS = frozenset({400, 404})


class KeyedView(ApiView):
    """The base of the operations whose answer is kept under a key."""

    def keyed(self, act: Callable[[Key], Outcome]) -> HttpResponse:
        """Answer what ``act`` gives, or what is kept under the request's key.

        ``act`` reads the body and takes the key itself. Where it refuses the request
        before that, the key is looked up all the same: it comes before the body.
        """
        key = Key(self.caller.key, self.idempotency_key(), self.fingerprint())
        try:
            outcome = act(key)
        except DomainError as refusal:
            kept = keys.look_up(key) if refusal.status in FAULTS else None
            if kept is None:
                raise
            outcome = kept
        return respond(outcome)

    def keyed_or_dry(self, act: Callable[[Key | None, bool], Outcome]) -> HttpResponse:
        """Answer what ``act`` gives; a dry run needs no key, and ``act`` gets none."""
        if query.flag(self.request._request, "dry_run"):
            return respond(act(None, True))
        return self.keyed(lambda key: act(key, False))

    def spoken_currency(self) -> str | None:
        """Return the point currency that the query asks for."""
        return query.text(self.request._request, "currency")


def respond(outcome: Outcome) -> HttpResponse:
    """Return the answer, marked where an earlier request did the work."""
    headers = {"Idempotent-Replayed": "true"} if outcome.replayed else None
    return HttpResponse(
        outcome.text, status=outcome.status, content_type=MEDIA_TYPE, headers=headers
    )
