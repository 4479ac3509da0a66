"""Acts before which a member proves once more who they are."""

from __future__ import annotations

from allauth.account import app_settings
from allauth.account.internal.flows import reauthentication
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _


def asked_again(request: HttpRequest, *, back: str) -> HttpResponse | None:
    """Return None right after a login; otherwise ask, and repeat the request once answered.

    Who can only log in anew is told so on the page named ``back``.

    :raises ReauthenticationRequired: what asks, by a password or a second factor.
    """
    if has_just_logged_in(request):
        return None
    if reauthentication.get_reauthentication_flows(request.user):
        raise ReauthenticationRequired
    messages.error(request, _("Please log out and in again first, and come back at once."))
    return redirect(back)


def has_just_logged_in(request: HttpRequest) -> bool:
    """Return whether the person behind the session has just proved who they are."""
    records = request.session.get("account_authentication_methods") or []
    latest = records[-1]["at"] if records else 0
    return bool(timezone.now().timestamp() - latest < app_settings.REAUTHENTICATION_TIMEOUT)
