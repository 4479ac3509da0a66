"""A member's own end."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allauth.account import app_settings
from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.services.erasure import erase_member
from loyalty_site.lib.drf import answer
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.reading import read
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.schema import COUNT, ID, INSTANT, MEMBER, TEXT, array, operation, record
from members.api.base import MembersView
from members.api.bodies import ErasureBody

ERASED = record(
    id=ID,
    status=TEXT,
    erased_at=INSTANT,
    points_forfeited=COUNT,
    forfeited=array(record(currency=TEXT, points=COUNT)),
)


class ReauthenticationRequired(DomainError):
    """The login is too long ago for an act that cannot be undone."""

    code = "reauthentication_required"
    status = 403
    title = "Please log in again"
    cause = "The act cannot be undone, and the login was more than a few minutes ago."
    remedy = "Log in again, by password, code or passkey, and repeat the request at once."


class MyErasureView(MembersView):
    """The erasure of the member who is logged in."""

    @operation(
        "erase_me",
        "Erase everything that says who you are; irreversible",
        access=(MEMBER,),
        tag="me",
        request=ErasureBody,
        responses={200: ERASED},
        problems=(404, 409),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the points forfeited; the session ends."""
        member = self.me()
        moment = timezone.now()
        session = self._recent_session(moment)
        body = read(ErasureBody, self.json_body())
        forfeited = retrying(
            lambda: erase_member(
                member=member, confirm=body.confirm, actor=self.caller.key, moment=moment
            )
        )
        session.flush()
        return answer(
            {
                "id": member.public_id,
                "status": "erased",
                "erased_at": moment,
                "points_forfeited": next(iter(forfeited.values()), 0),
                "forfeited": [
                    {"currency": code, "points": points} for code, points in forfeited.items()
                ],
            }
        )

    def _recent_session(self, moment: datetime) -> Any:
        """Return the session of the app.

        :raises ReauthenticationRequired: its person proved who they are too long ago.
        """
        found = authenticate_by_x_session_token(self.request.META["HTTP_X_SESSION_TOKEN"])
        session = found[1] if found else None
        records = session.get("account_authentication_methods") if session else None
        latest = records[-1]["at"] if isinstance(records, list) and records else 0
        if moment.timestamp() - latest >= app_settings.REAUTHENTICATION_TIMEOUT:
            raise ReauthenticationRequired
        return session
