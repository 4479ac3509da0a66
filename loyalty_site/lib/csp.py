"""One Content-Security-Policy for the site, and others for what stands below named paths."""

from __future__ import annotations

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase


class PathPolicyMiddleware(CSPMiddleware):
    """The policy of ``CONTENT_SECURITY_POLICIES_BY_PATH`` that fits, else the site's own."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponse | HttpResponseBase,
        report_only: bool = False,
    ) -> PolicyParts:
        """Return the parts of the policy for this path."""
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and parts.config is None:
            for prefix, policy in settings.CONTENT_SECURITY_POLICIES_BY_PATH.items():
                if request.path_info.startswith(prefix):
                    parts.config = policy
        return parts
