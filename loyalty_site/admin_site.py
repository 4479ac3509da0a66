"""The admin as a whole: who gets in, and whose clock its pages go by."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.sites import UnfoldAdminSite

from members.models import Program

# What proves that someone is more than a password; recovery codes only replace these.
SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


class Site(UnfoldAdminSite):  # type: ignore[misc]
    """The admin, which in production lets in only staff who have a second factor."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this person may see pages of the admin at all."""
        return super().has_permission(request) and not self.lacks_second_factor(request)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send staff without a second factor to where they make one."""
        if super().has_permission(request) and self.lacks_second_factor(request):
            messages.warning(
                request, _("Staff need a second factor. Set one up, then open the admin again.")
            )
            return redirect("mfa_activate_totp")
        response: HttpResponse = super().login(request, extra_context)
        return response

    @staticmethod
    def lacks_second_factor(request: HttpRequest) -> bool:
        """Whether this person still has to set up a second factor; never in a demo."""
        if not settings.IS_PRODUCTION:
            return False
        return not is_mfa_enabled(request.user, SECOND_FACTORS)

    def admin_view(
        self, view: Callable[..., HttpResponse], cacheable: bool = False
    ) -> Callable[..., HttpResponse]:
        """Show and read times in the program's zone, in which its days are counted.

        The page is made before the zone is left; the program stays on the request, without
        its document.
        """
        inner = super().admin_view(view, cacheable)

        @wraps(inner)
        def in_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            program = Program.objects.defer("document").order_by("pk").first()
            request.program = program  # type: ignore[attr-defined]
            zone = ZoneInfo(program.timezone) if program else timezone.get_default_timezone()
            with timezone.override(zone):
                response: HttpResponse = inner(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse):
                    response.render()
            return response

        return in_zone
