"""The `Idempotency-Key` header and what a repeat must have in common with the first request."""

from __future__ import annotations

import hashlib

from django.http import HttpRequest

from loyalty_site.lib.errors import DomainError

KEY_LENGTH_MIN, KEY_LENGTH_MAX = 16, 255


class IdempotencyKeyRequired(DomainError):
    """A request that moves value came without a key."""

    code = "idempotency_key_required"
    status = 400
    title = "An Idempotency-Key is required"
    cause = "The request moves value, and a lost answer would leave its outcome unknown."
    remedy = "Send a new random `Idempotency-Key`, and the same one when the request is repeated."


class IdempotencyKeyInvalid(DomainError):
    """The key is too short, too long, or not printable ASCII."""

    code = "idempotency_key_invalid"
    status = 400
    title = "The Idempotency-Key is not valid"
    cause = "The key must be 16 to 255 printable ASCII characters."
    remedy = "Use a random UUID."


class IdempotencyKeyReused(DomainError):
    """The key was used before, for another request."""

    code = "idempotency_key_reused"
    status = 422
    title = "The Idempotency-Key was used for another request"
    cause = "Method, address, query or body differ from the request that first carried the key."
    remedy = "Repeat the first request unchanged, or choose a new key for a new request."


class RequestInProgress(DomainError):
    """The first request with this key has not been answered yet."""

    code = "request_in_progress"
    status = 409
    title = "The same request is still running"
    cause = "Another request with this key has begun and has not ended."
    remedy = "Wait for the seconds in `Retry-After` and repeat the request unchanged."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, retry_after=1)


def key_of(request: HttpRequest) -> str:
    """Return the request's ``Idempotency-Key``.

    :raises IdempotencyKeyRequired: there is no such header.
    :raises IdempotencyKeyInvalid: it is not 16 to 255 printable ASCII characters.
    """
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        raise IdempotencyKeyRequired
    if not KEY_LENGTH_MIN <= len(key) <= KEY_LENGTH_MAX:
        raise IdempotencyKeyInvalid(f"The key has {len(key)} characters; it must have 16 to 255.")
    if not (key.isascii() and key.isprintable()):
        raise IdempotencyKeyInvalid("The key has characters that are not printable ASCII.")
    return str(key)


def fingerprint(request: HttpRequest, body: bytes) -> bytes:
    """Return 32 bytes that are equal only for the same method, address, query and body."""
    digest = hashlib.sha256()
    for part in (
        (request.method or "").encode(),
        request.path.encode("utf-8", "surrogatepass"),
        request.META.get("QUERY_STRING", "").encode("utf-8", "surrogateescape"),
        body,
    ):
        # The length in front keeps a byte from moving over a part's border unseen.
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
