"""One Content-Security-Policy for the site, and others for what stands below named paths."""

from __future__ import annotations

from csp.constants import HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase


class PathPolicyMiddleware(CSPMiddleware):
    """The policy of ``CONTENT_SECURITY_POLICIES_BY_PATH`` that fits, else the site's own.

    No page of the site varies its policy, so that each is written out once and kept; a
    response that brings a policy of its own keeps it.
    """

    _written: dict[str, str]

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the header."""
        if HEADER in response or any(name.startswith("_csp") for name in vars(response)):
            return super().process_response(request, response)
        written = self.__dict__.setdefault("_written", {})
        prefix = _prefix_of(request)
        if prefix not in written:
            answered = super().process_response(request, response)
            written[prefix] = answered.headers.get(HEADER, "")
            return answered
        if written[prefix]:
            response.headers[HEADER] = written[prefix]
        return response

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponse | HttpResponseBase,
        report_only: bool = False,
    ) -> PolicyParts:
        """Return the parts of the policy for this path."""
        parts = super().get_policy_parts(request, response, report_only)
        prefix = _prefix_of(request)
        if not report_only and parts.config is None and prefix:
            parts.config = settings.CONTENT_SECURITY_POLICIES_BY_PATH[prefix]
        return parts


def _prefix_of(request: HttpRequest) -> str:
    for prefix in settings.CONTENT_SECURITY_POLICIES_BY_PATH:
        if request.path_info.startswith(prefix):
            return str(prefix)
    return ""
