"""Forms that act once, however often their button is pressed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from django.http import HttpRequest
from django.utils import timezone

from loyalty_site.lib import problems
from loyalty_site.lib.idempotency import KEY_LENGTH_MAX, KEY_LENGTH_MIN, RequestInProgress
from loyalty_site.pages import codes
from members.models import Member
from members.services import idempotency

# A second press while the first is still at work waits for its answer this long.
WAITS = (0.2, 0.4, 0.8)


def once(
    request: HttpRequest, member: Member, what: str, act: Callable[[], idempotency.Outcome]
) -> idempotency.Answer:
    """Return the answer of the act, or that of the first press of the same form.

    ``what`` says all that the form asks for, so that its key serves nothing else.

    :raises RequestInProgress: the first press is still at work after a while.
    :raises IdempotencyKeyReused: the key was used for something else.
    """
    for seconds in (*WAITS, None):
        try:
            return idempotency.run(
                caller=caller_of(member),
                key=_key(request),
                fingerprint=hashlib.sha256(what.encode()).digest(),
                moment=timezone.now(),
                act=act,
                request_id=problems.request_id_of(request),
            )
        except RequestInProgress:
            if seconds is None:
                raise
            time.sleep(seconds)
    raise RequestInProgress


def caller_of(member: Member) -> str:
    """Return the name under which a member's acts on pages are kept."""
    return f"member:{member.pk}"


def _key(request: HttpRequest) -> str:
    key = request.POST.get("key", "")
    is_fit = KEY_LENGTH_MIN <= len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()
    # A form without a key is one that nobody was shown; its press is an act of its own.
    return key if is_fit else codes.new_key()
