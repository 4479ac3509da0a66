"""Members, as clients enroll, find, read and change them."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from msgspec import UNSET
from rest_framework.request import Request

from loyalty_site.lib import query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.etags import etag_of
from loyalty_site.lib.problems import InvalidCursor
from loyalty_site.lib.reading import read
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.schema import TEXT, listing, operation, parameter
from members.api.base import MembersView
from members.api.bodies import EnrolmentBody, ProfileBody
from members.api.schemas import BALANCE, BALANCE_QUERY, MEMBER_BODY, TIER_BODY
from members.models import Member
from members.queries.lookup import find_member
from members.queries.program import current_program
from members.services import attributes, profile
from members.services.enrolment import enrol

READ, WRITE = ("members:read",), ("members:write",)


class MemberListView(MembersView):
    """The members of the program."""

    @operation(
        "find_member",
        "Find a member by an identifier, a member number or the code of a card",
        access=READ,
        tag="members",
        responses={200: listing(MEMBER_BODY)},
        query=(parameter("identifier", TEXT, "Exact, of any kind.", required=True),),
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer none or one."""
        identifier = query.required(request._request, "identifier")
        query.limit(request._request)
        if "cursor" in request.GET:
            raise InvalidCursor
        moment = timezone.now()
        member = find_member(current_program(), identifier, moment)
        results = [] if member is None else [self.body_of(member, moment)]
        return answer({"results": results, "next_cursor": None, "prev_cursor": None})

    @operation(
        "enrol_member",
        "Enroll a person, or find the member who they are already",
        access=WRITE,
        tag="members",
        request=EnrolmentBody,
        responses={200: MEMBER_BODY, 201: MEMBER_BODY},
        problems=(409,),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer 201 for a new member, 200 for one who was known."""
        body = read(EnrolmentBody, self.json_body())
        moment = timezone.now()
        member, created = retrying(
            lambda: enrol(
                identifiers=[(item.kind, item.value) for item in body.identifiers],
                moment=moment,
                actor=self.caller.key,
                first_name=(body.first_name or "").strip(),
                last_name=(body.last_name or "").strip(),
                birth_date=body.birth_date,
                locale=body.locale or "",
                timezone=body.timezone or "",
                source_channel=(body.source_channel or "").strip(),
                referral_code=(body.referral_code or "").strip(),
                consents=[consent.answer for consent in body.consents],
                enrolled_at=body.enrolled_at,
            )
        )
        response = answer(self.body_of(member, moment), status=201 if created else 200)
        response["ETag"] = etag_of(response.content)
        if created:
            response["Location"] = f"{request.path}/{member.public_id}"
        return response


class MemberView(MembersView):
    """One member."""

    @operation(
        "read_member",
        "Read a member",
        access=READ,
        tag="members",
        responses={200: MEMBER_BODY},
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request, member_id: str) -> HttpResponse:
        """Answer the member, an erased one without personal data."""
        return self.resource(self.body_of(self.member_of_path(member_id), timezone.now()))

    @operation(
        "change_member",
        "Change names, date of birth, locale or time zone",
        access=WRITE,
        tag="members",
        request=ProfileBody,
        responses={200: MEMBER_BODY},
        problems=(404, 409),
        conditional=True,
    )
    def patch(self, request: Request, member_id: str) -> HttpResponse:
        """Change the fields that the body names."""
        found = self.member_of_path(member_id)
        return change_profile(self, found)


class MemberBalanceView(MembersView):
    """What a member holds."""

    @operation(
        "read_balance",
        "Read what a member holds, now or at a past instant",
        access=READ,
        tag="members",
        responses={200: BALANCE},
        query=BALANCE_QUERY,
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request, member_id: str) -> HttpResponse:
        """Answer the balance, net of what is due."""
        return self.read_balance(query.path_id(member_id), timezone.now())


class MemberTierView(MembersView):
    """Where a member stands."""

    @operation(
        "read_tier",
        "Read a member's tier and what is missing to the next",
        access=READ,
        tag="members",
        responses={200: TIER_BODY},
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request, member_id: str) -> HttpResponse:
        """Answer the tier and its figures."""
        return self.read_tier(self.member_of_path(member_id), timezone.now())


def change_profile(view: MembersView, found: Member, *, by_member: bool = False) -> HttpResponse:
    """Change the fields of a member that the request's body names; answer with the new version.

    ``by_member`` holds the members themselves to what they said of their birth.
    """
    body = read(ProfileBody, view.json_body())
    moment = timezone.now()

    def act() -> None:
        with transaction.atomic():
            # Locked before its version is compared, so that of two changes decided on the
            # same version one is refused.
            member = Member.objects.select_for_update(no_key=True).get(pk=found.pk)
            view.require_match(view.body_of(member, moment))
            profile.change(member=member, fields=body.fields, moment=moment, by_member=by_member)
            if body.attributes is not UNSET and body.attributes:
                attributes.change(
                    member=member,
                    values=body.attributes,
                    actor=view.caller.key,
                    moment=moment,
                    by_member=by_member,
                )

    retrying(act)
    return view.resource(view.body_of(found, moment))
