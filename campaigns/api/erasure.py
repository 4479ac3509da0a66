"""A member's own end."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns.services.erasure import erase_member
from loyalty_site.lib.drf import answer
from loyalty_site.lib.reading import read
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.schema import COUNT, ID, INSTANT, MEMBER, TEXT, array, operation, record
from members.api.base import MembersView
from members.api.bodies import ErasureBody
from members.api.recent import recent_session

ERASED = record(
    id=ID,
    status=TEXT,
    erased_at=INSTANT,
    points_forfeited=COUNT,
    forfeited=array(record(currency=TEXT, points=COUNT)),
)


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
        session = recent_session(self.request, moment)
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
