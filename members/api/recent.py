"""Acts for which the person must have proved a moment ago who they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allauth.account import app_settings
from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from rest_framework.request import Request

from loyalty_site.lib.errors import DomainError


class ReauthenticationRequired(DomainError):
    """The login is too long ago for an act that cannot be undone."""

    code = "reauthentication_required"
    status = 403
    title = "Please log in again"
    cause = "The act cannot be undone, and the login was more than a few minutes ago."
    remedy = "Log in again, by password, code or passkey, and repeat the request at once."


def recent_session(request: Request, moment: datetime) -> Any:
    """Return the session of the app.

    :raises ReauthenticationRequired: its person proved who they are too long ago.
    """
    found = authenticate_by_x_session_token(request.META["HTTP_X_SESSION_TOKEN"])
    session = found[1] if found else None
    records = session.get("account_authentication_methods") if session else None
    latest = records[-1]["at"] if isinstance(records, list) and records else 0
    if moment.timestamp() - latest >= app_settings.REAUTHENTICATION_TIMEOUT:
        raise ReauthenticationRequired
    return session
