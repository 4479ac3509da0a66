"""Problem documents (RFC 9457): the one shape in which every error leaves the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.wire import dumps

MEDIA_TYPE = "application/problem+json"

# Members of the document that a figure must never overwrite.
RESERVED = frozenset({"type", "title", "status", "detail", "code", "request_id", "errors"})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of the input: where it stands, its stable code and a sentence."""

    pointer: str
    code: str
    detail: str


class Invalid(DomainError):
    """The input does not have the required form."""

    code = "invalid"
    status = 400
    title = "The request is not valid"
    cause = "One or more fields are missing, unknown, or do not have the required form."
    remedy = "Read `errors`: each names the field by a JSON pointer and says what was expected."

    def __init__(self, errors: Sequence[FieldError] = (), detail: str = "") -> None:
        super().__init__(detail or (errors[0].detail if len(errors) == 1 else ""))
        self.errors = tuple(errors)


class Malformed(Invalid):
    """The body is no JSON document."""

    code = "malformed"
    title = "The body is not JSON"
    cause = "The body is empty, cut off, not UTF-8, nested too deeply, or breaks JSON's grammar."
    remedy = "Send one JSON document in UTF-8 (RFC 8259), without NaN, Infinity or NUL characters."


class InvalidCursor(DomainError):
    """The page cursor was not made by this list."""

    code = "invalid_cursor"
    status = 400
    title = "The cursor is not valid"
    cause = "The cursor was changed, cut off, or made for another list or other filters."
    remedy = "Start again without `cursor`, and pass `next_cursor` back exactly as received."


class BadRequest(DomainError):
    """The request cannot be understood at the level of HTTP."""

    code = "bad_request"
    status = 400
    title = "The request could not be understood"
    cause = "The host, the headers or the encoding of the request are not acceptable."
    remedy = "Check the address and the headers that are sent."


class NotAuthenticated(DomainError):
    """No credentials were given, or none that are valid."""

    code = "not_authenticated"
    status = 401
    title = "Authentication is required"
    cause = "No token was sent, or the token is unknown, expired or revoked."
    remedy = (
        "Get an access token at /identity/o/api/token and send `Authorization: Bearer <token>`; "
        "a member's app sends `X-Session-Token`."
    )
    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="api"'}


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403
    title = "This caller may not do this"
    cause = "The operation is not open to this kind of caller."
    remedy = "Use the credentials of the kind of caller that the operation names."


class InsufficientScope(Forbidden):
    """The token lacks the scope of the operation."""

    code = "insufficient_scope"
    title = "The token lacks a scope"
    cause = "The access token was issued without the scope that this operation needs."
    remedy = "Request a token with the scope in `required_scope`; the client must be granted it."
    headers: Mapping[str, str] = {
        "WWW-Authenticate": 'Bearer realm="api", error="insufficient_scope"'
    }


class MemberRequired(Forbidden):
    """The operation belongs to a member's own session."""

    code = "member_required"
    title = "Only a member may do this"
    cause = "The operation speaks of the member who is logged in, and a client token names none."
    remedy = "Log the member in and send the session's `X-Session-Token`."


class NotFound(DomainError):
    """Nothing that the caller may see stands at this address."""

    code = "not_found"
    status = 404
    title = "Nothing was found here"
    cause = "The address or the id is unknown, or belongs to somebody else."
    remedy = "Check the address and the id."


class MethodNotAllowed(DomainError):
    """The address exists, the method does not."""

    code = "method_not_allowed"
    status = 405
    title = "The method is not allowed here"
    cause = "The address does not answer this HTTP method."
    remedy = "Use one of the methods in the `Allow` header."


class NotAcceptable(DomainError):
    """The answer exists in no form that `Accept` names."""

    code = "not_acceptable"
    status = 406
    title = "No such form of the answer exists"
    cause = "`Accept` names only media types in which this address does not answer."
    remedy = "Leave `Accept` out, or add `*/*` to it."


class PreconditionFailed(DomainError):
    """The resource changed since the caller read it."""

    code = "precondition_failed"
    status = 412
    title = "The resource has changed meanwhile"
    cause = "`If-Match` does not name the current version of the resource."
    remedy = "Read the resource again, decide again, and send its new `ETag` in `If-Match`."


class BodyTooLarge(DomainError):
    """The body is larger than the operation reads."""

    code = "body_too_large"
    status = 413
    title = "The body is too large"
    cause = "The body has more bytes than the operation reads."
    remedy = "Send fewer rows at a time; `limit_bytes` is the most that is read."


class UnsupportedMediaType(DomainError):
    """The body is declared to be something other than JSON."""

    code = "unsupported_media_type"
    status = 415
    title = "The body must be JSON"
    cause = "`Content-Type` names a media type other than JSON."
    remedy = "Send `Content-Type: application/json`."


class RateLimited(DomainError):
    """The caller sent more requests than its limit allows."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"
    cause = "The limit in `RateLimit-Policy` is used up."
    remedy = "Wait for the seconds in `Retry-After`, then continue more slowly."


class Unavailable(DomainError):
    """The database could not serve the request in time."""

    code = "unavailable"
    status = 503
    title = "The service is busy"
    cause = "The database was locked, restarting or too slow, and the request was given up."
    remedy = "Nothing was done. Repeat the request, with the same Idempotency-Key if it had one."


class InternalError(DomainError):
    """Something failed that nobody anticipated."""

    code = "internal_error"
    status = 500
    title = "Something went wrong on our side"
    cause = "An error that was not anticipated; it was logged under the request id."
    remedy = "Repeat the request later; if it fails again, report the `request_id`."


def request_id_of(request: HttpRequest | None) -> str | None:
    """Return the id that the log knows the request by, if the request has one."""
    found = getattr(request, "request_id", None)
    return str(found) if found else None


def type_url(code: str) -> str:
    """Return the address of the page that explains refusals of this code."""
    return f"{settings.BASE_URL.rstrip('/')}/problems/{code}"


def document(refusal: DomainError, request_id: str | None = None) -> dict[str, Any]:
    """Return the problem document of the refusal, ready to be written as JSON."""
    figures = {key: value for key, value in refusal.figures.items() if key not in RESERVED}
    body: dict[str, Any] = {
        "type": type_url(refusal.code),
        "title": str(refusal.title),
        "status": refusal.status,
        "detail": str(refusal.detail),
        "code": refusal.code,
        "request_id": request_id,
    }
    if isinstance(refusal, Invalid):
        body["errors"] = [asdict(error) for error in refusal.errors]
    return body | figures


def headers_of(refusal: DomainError) -> dict[str, str]:
    """Return the headers that belong to the refusal.

    ``headers`` of the class or instance, and ``Retry-After`` where the refusal
    carries the figure ``retry_after`` (whole seconds).
    """
    headers = dict(getattr(refusal, "headers", {}))
    if (seconds := refusal.figures.get("retry_after")) is not None:
        headers["Retry-After"] = str(seconds)
    return headers


def respond(refusal: DomainError, request: HttpRequest | None = None) -> HttpResponse:
    """Return the refusal as an ``application/problem+json`` answer."""
    body = document(refusal, request_id_of(request))
    response = HttpResponse(
        dumps(body),
        status=refusal.status,
        content_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **headers_of(refusal)},
    )
    # The request log reads the code from here.
    response.data = body  # type: ignore[attr-defined]
    return response
