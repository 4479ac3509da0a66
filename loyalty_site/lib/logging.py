"""Structured logs: a line for each request and task, without personal data."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

REQUEST_ID_HEADER = "X-Request-ID"
SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

logger = logging.getLogger("loyalty.request")
current_request_id: ContextVar[str] = ContextVar("current_request_id", default="")


class JsonFormatter(logging.Formatter):
    """One JSON object for a record, with the fields given as ``extra={"fields": {...}}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message_of(record),
        }
        if request_id := current_request_id.get():
            line["request_id"] = request_id
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _message_of(record: logging.LogRecord) -> str:
    # Django's report of a failed request ends with the path, which may hold a person's number;
    # the request's own line names the route.
    if record.name == "django.request" and isinstance(record.args, tuple) and record.args:
        return str(record.args[0])
    return record.getMessage()


def caller_of(request: HttpRequest) -> str:
    """Return who called, without naming a person.

    An API's authentication tells its client by setting ``request.client_label``.
    """
    label = getattr(request, "client_label", None)
    if label:
        return str(label)
    # Reading the user here would load a session for requests that never wanted one.
    user = request.__dict__.get("_cached_user")
    if user is None or not user.is_authenticated:
        return "anonymous"
    return "staff" if user.is_staff else "member"


class RequestLogMiddleware:
    """Give each request an id, and log it as one line when it is answered.

    The route's pattern is logged rather than the path: a path may hold the number or code
    of a person.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request and log it."""
        started = time.perf_counter()
        sent = request.headers.get(REQUEST_ID_HEADER, "")
        request_id = sent if SANE_REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        token = current_request_id.set(request_id)
        try:
            response = self.get_response(request)
            response[REQUEST_ID_HEADER] = request_id
            self._log(request, response, time.perf_counter() - started)
        finally:
            current_request_id.reset(token)
        return response

    def _log(self, request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        match = request.resolver_match
        fields = {
            "method": request.method,
            "route": match.route if match else None,
            "client": caller_of(request),
            "status": response.status_code,
            "code": self._problem_code(response),
            "milliseconds": round(seconds * 1000, 1),
        }
        logger.info("request", extra={"fields": fields})

    @staticmethod
    def _problem_code(response: HttpResponse) -> str | None:
        data = getattr(response, "data", None)
        code = data.get("code") if isinstance(data, dict) and response.status_code >= 400 else None
        return str(code) if code else None
