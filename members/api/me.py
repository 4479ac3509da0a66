"""What members read and change of themselves."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpResponse
from django.utils import timezone
from msgspec import Meta
from rest_framework.request import Request

from loyalty_site.lib import cursors, query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.problems import FieldError, Invalid, NotFound
from loyalty_site.lib.reading import read
from loyalty_site.lib.schema import MEMBER, array, listing, operation
from loyalty_site.lib.wire import Refused
from members import presenters
from members.api.base import MembersView
from members.api.bodies import ConsentBody, ProfileBody, refuse_repeated
from members.api.members import change_profile
from members.api.schemas import (
    BALANCE,
    BALANCE_QUERY,
    CARD,
    CONSENT,
    MEMBER_BODY,
    MESSAGE,
    TIER_BODY,
)
from members.models import Member, Message
from members.queries.consents import latest_consents
from members.services import consents, messages

OWN = (MEMBER,)

ConsentsBody = Annotated[list[ConsentBody], Meta(max_length=50)]


class MeView(MembersView):
    """The member who is logged in."""

    @operation(
        "read_me",
        "Read your membership",
        access=OWN,
        tag="me",
        responses={200: MEMBER_BODY},
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the member."""
        return self.resource(self.body_of(self.me(), timezone.now()))

    @operation(
        "change_me",
        "Change your names, date of birth, locale or time zone",
        access=OWN,
        tag="me",
        request=ProfileBody,
        responses={200: MEMBER_BODY},
        problems=(404, 409),
        conditional=True,
    )
    def patch(self, request: Request) -> HttpResponse:
        """Change the fields that the body names."""
        return change_profile(self, self.me(), by_member=True)


class MyBalanceView(MembersView):
    """What the member holds."""

    @operation(
        "read_my_balance",
        "Read what you hold, now or at a past instant",
        access=OWN,
        tag="me",
        responses={200: BALANCE},
        query=BALANCE_QUERY,
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the balance, net of what is due."""
        return self.read_balance(self.me().public_id, timezone.now())


class MyTierView(MembersView):
    """Where the member stands."""

    @operation(
        "read_my_tier",
        "Read your tier and what is missing to the next",
        access=OWN,
        tag="me",
        responses={200: TIER_BODY},
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the tier and its figures."""
        return self.read_tier(self.me(), timezone.now())


class MyCardView(MembersView):
    """The member's card."""

    @operation(
        "read_my_card",
        "Read the code that your card shows for the next half minute",
        access=OWN,
        tag="me",
        responses={200: CARD},
        problems=(404,),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer number and code; a till looks the member up by either."""
        return answer(presenters.card_body(self.me(), timezone.now()))


class MyConsentsView(MembersView):
    """What the member agrees to."""

    @operation(
        "list_my_consents",
        "Read what you agreed to or withdrew",
        access=OWN,
        tag="me",
        responses={200: array(CONSENT)},
        problems=(404,),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the latest answer to each question."""
        return self._answers(self.me())

    @operation(
        "change_my_consents",
        "Agree or withdraw; what is not named stays",
        access=OWN,
        tag="me",
        request=array(ConsentBody),
        responses={200: array(CONSENT)},
        problems=(404,),
    )
    def put(self, request: Request) -> HttpResponse:
        """Add a record for each answer that differs from the latest."""
        member = self.me()
        told = read(ConsentsBody, self.json_body())
        try:
            refuse_repeated(told)
        except Refused as fault:
            raise Invalid([FieldError(fault.pointer, fault.code, fault.detail)]) from None
        consents.change(
            member=member,
            answers=[consent.answer for consent in told],
            source="member",
            moment=timezone.now(),
        )
        return self._answers(member)

    @staticmethod
    def _answers(member: Member) -> HttpResponse:
        return answer([presenters.consent_body(row) for row in latest_consents(member.pk)])


class MyMessagesView(MembersView):
    """The member's inbox."""

    @operation(
        "list_my_messages",
        "Read your inbox, newest first",
        access=OWN,
        tag="me",
        responses={200: listing(MESSAGE)},
        problems=(404,),
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer a page of messages."""
        member = self.me()
        rows = Message.objects.filter(member=member)
        fetch, key_of = cursors.keyset(rows, "-sent_at", "-pk")
        return answer(
            cursors.answer_page(
                request._request,
                fetch,
                key_of=key_of,
                serialize=presenters.message_body,
                scope=str(member.pk),
            )
        )


class MyMessageReadView(MembersView):
    """That a message was read."""

    @operation(
        "read_my_message",
        "Mark a message as read; a repeat changes nothing",
        access=OWN,
        tag="me",
        responses={200: MESSAGE},
        problems=(404,),
    )
    def post(self, request: Request, message_id: str) -> HttpResponse:
        """Answer the message."""
        member = self.me()
        message = messages.mark_read(
            member=member, public_id=query.path_id(message_id), moment=timezone.now()
        )
        if message is None:
            raise NotFound
        return answer(presenters.message_body(message))
