"""The short way to an operation of the API: past what only pages need.

Sessions, messages, cross-site tokens and logins by cookie are nothing to an operation: it
identifies its caller by a header, whatever a browser sends along. What holds for every answer
stands before this middleware; what of the rest holds for the API too is done here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

API_PREFIX = "/api/v1/"
# A page below the prefix, with the templates and the context of pages.
PAGES = ("/api/v1/docs",)


class _Views(BaseHandler):
    """Calls views without any middleware."""

    def __init__(self) -> None:
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        respond = self._get_response  # type: ignore[attr-defined]
        self.answer: Callable[[HttpRequest], Any] = convert_exception_to_response(respond)


class ApiShortcutMiddleware:
    """Answer operations of the API at once, and pass everything else on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._answer: Callable[[HttpRequest], Any] = convert_exception_to_response(
            _operation(_Views().answer)
        )

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        path = request.path_info
        if path.startswith(API_PREFIX) and not path.startswith(PAGES):
            response: HttpResponse = self._answer(request)
            return response
        return self.get_response(request)


def _operation(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    def answer(request: HttpRequest) -> HttpResponse:
        # An unknown host is refused before anything else is looked at.
        request.get_host()
        language = translation.get_language_from_request(request)
        translation.activate(language)
        response = get_response(request)
        headers = response.headers
        if "Vary" in headers:
            patch_vary_headers(response, ("Accept-Language",))
        else:
            headers["Vary"] = "Accept-Language"
        headers.setdefault("Content-Language", language)
        headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        if not response.streaming and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(response.content))
        return response

    return answer
