"""The base of every operation, and the one place where an error becomes an answer."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView, set_rollback

from loyalty_site.lib import auth, etags, idempotency, problems
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.ratelimit import Reading, buckets
from loyalty_site.lib.schema import PUBLIC, Operation, operation_of
from loyalty_site.lib.wire import dumps

logger = logging.getLogger(__name__)

BODY_BYTES_MAX = 2 * 2**20
MEDIA_TYPE = "application/json"


# What Django and DRF raise, and the refusal that it amounts to. The first match counts.
REFUSALS_OF: list[tuple[type[Exception], type[DomainError]]] = [
    (Http404, problems.NotFound),
    (exceptions.NotFound, problems.NotFound),
    (exceptions.MethodNotAllowed, problems.MethodNotAllowed),
    (exceptions.NotAcceptable, problems.NotAcceptable),
    (exceptions.NotAuthenticated, problems.NotAuthenticated),
    (exceptions.AuthenticationFailed, problems.NotAuthenticated),
    (PermissionDenied, problems.Forbidden),
    (exceptions.PermissionDenied, problems.Forbidden),
    (exceptions.UnsupportedMediaType, problems.UnsupportedMediaType),
    (exceptions.ParseError, problems.Malformed),
    (exceptions.ValidationError, problems.Invalid),
    (SuspiciousOperation, problems.BadRequest),
    (UnreadablePostError, problems.BadRequest),
]


def translate(error: BaseException) -> DomainError | None:
    """Return the refusal that an exception amounts to, or None for one that nobody anticipated."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, RequestDataTooBig):
        return problems.BodyTooLarge(limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if isinstance(error, exceptions.Throttled):
        return problems.RateLimited(retry_after=max(1, round(getattr(error, "wait", None) or 1)))
    for kind, refusal in REFUSALS_OF:
        if isinstance(error, kind):
            return refusal()
    return _of_database(error)


def _of_database(error: BaseException) -> DomainError | None:
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("The database gave the request up.", exc_info=error)
        return problems.Unavailable(retry_after=1)
    if isinstance(error, DataError):
        # A value that passed the reading and still does not fit its column is a
        # gap in the reading, so it is logged; the caller gets the truth about it.
        logger.error("A value passed validation and did not fit.", exc_info=error)
        return problems.Invalid(detail="A value is out of range.")
    return None


def problem_response(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Return the answer to an exception that left an operation."""
    request = context.get("request")
    http_request = getattr(request, "_request", request)
    set_rollback()
    refusal = translate(error)
    if refusal is None:
        logger.error("Unanticipated error.", exc_info=error)
        got_request_exception.send(sender=None, request=http_request)
        refusal = problems.InternalError()
    return problems.respond(refusal, http_request)


class JsonRenderer(BaseRenderer):
    """Writes JSON and nothing else, whatever `Accept` asks for."""

    media_type = MEDIA_TYPE
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        return b"" if data is None else dumps(data)


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Return the data as a JSON answer."""
    return HttpResponse(dumps(data), status=status, content_type=MEDIA_TYPE, headers=headers)


class ApiView(APIView):
    """One address of the API; each method carries its declaration by ``@operation``.

    The checks run in the order of the contract: method, 401, 403, 429; then the
    method itself asks for the key, the body and the business, in this order.
    """

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()
    renderer_classes = (JsonRenderer,)

    caller: auth.Caller
    reading: Reading | None = None

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Wrap the request; nothing of DRF's own reading, negotiating and logging in is used."""
        return Request(request, parser_context={"view": self, "args": args, "kwargs": kwargs})

    def get_exception_handler(self) -> Any:
        return problem_response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Identify, authorize and count the caller before the method runs."""
        declared = self._declared(request)
        self.caller = self._identify(request, declared)
        request._request.client_label = self.caller.label  # type: ignore[attr-defined]
        # The session of a browser is never read: a form on another site could use it.
        request._request.user = self.caller.user or auth.nobody()  # type: ignore[assignment]
        request._user, request._auth = request._request.user, self.caller  # type: ignore[attr-defined]
        auth.authorize(self.caller, declared.access)
        self.reading = buckets.take(
            self.caller.key, limit=settings.API_RATE_LIMIT_PER_MINUTE, now=time.monotonic()
        )
        if not self.reading.is_allowed:
            raise problems.RateLimited(
                limit=self.reading.limit, retry_after=self.reading.reset_seconds
            )

    def _declared(self, request: Request) -> Operation:
        handler = getattr(self, (request.method or "").lower(), None)
        declared = operation_of(handler)
        if declared is None:
            raise problems.MethodNotAllowed
        return declared

    def _identify(self, request: Request, declared: Operation) -> auth.Caller:
        if PUBLIC not in declared.access:
            return auth.identify(request._request)
        try:
            return auth.identify(request._request)
        except DomainError:
            # What is open to anyone is open to the holder of an expired token.
            return auth.anonymous(request._request)

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add what every answer carries: the limits, and no caching of private answers."""
        if self.reading is not None:
            for name, value in self.reading.headers.items():
                response[name] = value
            if self.caller.is_known:
                response["Cache-Control"] = "no-store"
            else:
                response["Vary"] = "Accept-Language, Authorization, X-Session-Token"
        if response.status_code == problems.MethodNotAllowed.status:
            response["Allow"] = ", ".join(self.allowed_methods)
        return response  # type: ignore[no-any-return]

    @property
    def allowed_methods(self) -> list[str]:
        """Return the methods that are declared, in upper case."""
        names = [name for name in self.http_method_names if operation_of(getattr(self, name, None))]
        return [name.upper() for name in names]

    def raw_body(self, limit_bytes: int = BODY_BYTES_MAX) -> bytes:
        """Return the body as it came.

        :raises BodyTooLarge: it has more than ``limit_bytes``; nothing was read then.
        """
        request: HttpRequest = self.request._request
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > limit_bytes:
            raise problems.BodyTooLarge(limit_bytes=limit_bytes)
        return request.body

    def json_body(self, limit_bytes: int = BODY_BYTES_MAX) -> bytes:
        """Return the body after making sure that it is declared as JSON.

        :raises UnsupportedMediaType: `Content-Type` names something else.
        """
        raw = self.raw_body(limit_bytes)
        media_type = (self.request.META.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
        if raw and media_type not in {"", MEDIA_TYPE} and not media_type.endswith("+json"):
            raise problems.UnsupportedMediaType
        return raw

    def idempotency_key(self) -> str:
        """Return the request's key, which it must have."""
        return idempotency.key_of(self.request._request)

    def fingerprint(self) -> bytes:
        """Return what a repeat of this request must have in common with it."""
        return idempotency.fingerprint(self.request._request, self.raw_body())

    def resource(self, data: Any) -> HttpResponse:
        """Return a single resource with its `ETag`, or 304 where the caller has it already."""
        response = answer(data)
        response["ETag"] = etag = etags.etag_of(response.content)
        if etags.is_fresh(self.request._request, etag):
            return HttpResponse(status=304, headers={"ETag": etag})
        return response

    def require_match(self, data: Any) -> None:
        """Refuse the request if its `If-Match` names no version equal to ``data``.

        :raises PreconditionFailed: the caller decided on an older version.
        """
        etags.require_match(self.request._request, etags.etag_of(dumps(data)))
