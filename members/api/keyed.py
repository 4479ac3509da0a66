"""What operations that move a member's points share: one key, one act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpResponse

from loyalty_site.lib import problems
from loyalty_site.lib.drf import ApiView, answer
from members.api.base import MembersView
from members.services import idempotency


class KeyedView(ApiView):
    """The base of the operations whose answer is kept under a key."""

    def once(self, act: Callable[[], idempotency.Outcome], *, moment: datetime) -> HttpResponse:
        """Return the answer of ``act``, or the one kept under the request's key.

        ``act`` reads the body itself: a repeat gets its answer before the body is judged.
        """
        found = idempotency.run(
            caller=self.caller.key,
            key=self.idempotency_key(),
            fingerprint=self.fingerprint(),
            moment=moment,
            act=act,
            request_id=problems.request_id_of(self.request._request),
        )
        headers: dict[str, Any] = {"Idempotent-Replayed": "true"} if found.replayed else {}
        response = answer(found.body, found.status, headers)
        if found.status >= 400:
            response["Content-Type"] = problems.MEDIA_TYPE
            # The request log reads the code from here.
            response.data = found.body  # type: ignore[attr-defined]
        return response


class KeyedMembersView(KeyedView, MembersView):
    """The same, of operations about members."""
