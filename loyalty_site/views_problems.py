"""Pages that explain problems, and problem documents for errors outside every operation."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from loyalty_site.lib import problems
from loyalty_site.lib.drf import translate
from loyalty_site.lib.errors import REFUSALS, DomainError

API_PREFIX = "/api/"


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """Show cause and remedy of the problem with this code."""
    refusal = REFUSALS.get(code)
    if refusal is None:
        raise Http404
    return render(request, "problems/problem_detail.html", {"code": code, "refusal": refusal})


@csrf_exempt
def api_not_found(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer an address below ``/api/`` that no operation has, for every method."""
    return problems.respond(problems.NotFound("No operation has this address."), request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refused as unacceptable, such as an unknown host."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return _respond(request, translate(exception) or problems.BadRequest())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refused as forbidden."""
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return _respond(request, problems.Forbidden())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that nothing has."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return _respond(request, problems.NotFound("No operation has this address."))


def server_error(request: HttpRequest, *_args: Any) -> HttpResponse:
    """Answer an error that nobody anticipated and that left no operation."""
    if not _is_api(request):
        return defaults.server_error(request)
    return _respond(request, problems.InternalError())


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PREFIX)


def _respond(request: HttpRequest, refusal: DomainError) -> HttpResponse:
    return problems.respond(refusal, request)
