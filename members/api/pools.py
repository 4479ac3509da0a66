"""The pool that a member is in: founded, joined, given to, left."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import uuid4

from django.http import HttpResponse
from django.utils import timezone
from msgspec import Meta
from rest_framework.request import Request

from loyalty_site.lib import query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.reading import Body, Text64, read
from loyalty_site.lib.schema import (
    COUNT,
    FLAG,
    ID,
    INSTANT,
    MEMBER,
    POINTS,
    TEXT,
    array,
    choice,
    nullable,
    operation,
    record,
)
from members.api.keyed import KeyedMembersView
from members.models import Member
from members.pooling import KINDS, ROLES
from members.presenters import pool_body
from members.queries.pools import view_of
from members.services import pool_ends, pool_points, pools
from members.services.idempotency import Outcome
from members.transferring import POINTS_MAX

OWN = (MEMBER,)

Percent = Annotated[int, Meta(ge=0, le=100)]


class PoolBody(Body, frozen=True):
    """Which kind of pool to found, and what its members call it."""

    kind: Literal["household", "company"]
    name: Annotated[str, Meta(max_length=80)] = ""


class ShareBody(Body, frozen=True):
    """Which percentage of each earn goes to the pool."""

    share_pct: Percent


class InviteBody(Body, frozen=True):
    """As what somebody is invited."""

    role: Literal["adult", "child"] = "adult"


class CodeBody(Body, frozen=True):
    """The code of an invitation, with or without its dashes."""

    code: Text64


class ContributionBody(Body, frozen=True):
    """How many points go to the pool."""

    points: Annotated[int, Meta(ge=1, le=POINTS_MAX)]


POOL = record(
    id=ID,
    kind=choice(*KINDS),
    name=TEXT,
    currency=TEXT,
    founded_at=INSTANT,
    available=POINTS,
    held=POINTS,
    cap=nullable(COUNT),
    role=choice(*ROLES),
    share_pct=COUNT,
    may_redeem=FLAG,
    own_points=COUNT,
    members=array(
        record(id=ID, name=TEXT, role=choice(*ROLES), points=COUNT, joined_at=INSTANT, you=FLAG)
    ),
)
LEFT = record(points=COUNT)


class _PoolView(KeyedMembersView):
    def pool_of(self, member: Member) -> dict[str, object]:
        """Return the member's pool as they see it.

        :raises NotInAPool: they are in none.
        """
        found = view_of(member.pk, timezone.now())
        if found is None:
            raise pool_points.NotInAPool
        return pool_body(found)


class MyPoolView(_PoolView):
    """The pool itself."""

    @operation(
        "read_my_pool",
        "Read the pool that you are in, with its members and what of each is left",
        access=OWN,
        tag="me",
        responses={200: POOL},
        problems=(404,),
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the pool."""
        return answer(self.pool_of(self.me()))

    @operation(
        "found_my_pool",
        "Found a pool that you own",
        access=OWN,
        tag="me",
        request=PoolBody,
        responses={201: POOL},
        problems=(404, 409, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the new pool."""
        member, body = self.me(), read(PoolBody, self.json_body())
        pools.found(
            member_id=member.pk,
            kind=body.kind,
            name=body.name,
            actor=self.caller.key,
            moment=timezone.now(),
        )
        return answer(self.pool_of(member), 201)

    @operation(
        "change_my_share",
        "Change which percentage of what you earn goes to the pool from now on",
        access=OWN,
        tag="me",
        request=ShareBody,
        responses={200: POOL},
        problems=(404, 422),
    )
    def patch(self, request: Request) -> HttpResponse:
        """Answer the pool with the new share."""
        member, body = self.me(), read(ShareBody, self.json_body())
        pools.set_share(
            member_id=member.pk,
            share_pct=body.share_pct,
            actor=self.caller.key,
            moment=timezone.now(),
        )
        return answer(self.pool_of(member))


class MyPoolInvitationsView(_PoolView):
    """Invitations."""

    @operation(
        "invite_to_my_pool",
        "Make a code that lets one person into the pool within seven days; the owner only",
        access=OWN,
        tag="me",
        request=InviteBody,
        responses={201: record(code=TEXT, role=choice("adult", "child"), expires_at=INSTANT)},
        problems=(404, 409, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the code, once."""
        member, body = self.me(), read(InviteBody, self.json_body())
        row, code = pools.invite(
            member_id=member.pk, role=body.role, actor=self.caller.key, moment=timezone.now()
        )
        return answer({"code": code, "role": row.role, "expires_at": row.expires_at}, 201)


class MyPoolJoinView(_PoolView):
    """Coming in."""

    @operation(
        "join_a_pool",
        "Join the pool that a code lets you into",
        access=OWN,
        tag="me",
        request=CodeBody,
        responses={200: POOL},
        problems=(404, 409, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the pool."""
        member, body = self.me(), read(CodeBody, self.json_body())
        pools.join(
            member_id=member.pk, code=body.code, actor=self.caller.key, moment=timezone.now()
        )
        return answer(self.pool_of(member))


class MyPoolContributionsView(_PoolView):
    """Giving by hand."""

    @operation(
        "contribute_to_my_pool",
        "Give points to the pool, those that end first; they keep their end",
        access=OWN,
        tag="me",
        request=ContributionBody,
        responses={201: POOL},
        problems=(404, 409, 422),
        idempotent=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer the pool after the gift."""
        member, moment = self.me(), timezone.now()

        def act() -> Outcome:
            body = read(ContributionBody, self.json_body())
            pool_points.contribute(
                member_id=member.pk,
                points=body.points,
                ref=str(uuid4()),
                actor=self.caller.key,
                moment=moment,
            )
            return 201, self.pool_of(member), member.pk

        return self.once(act, moment=moment)


class MyPoolLeaveView(_PoolView):
    """Going."""

    @operation(
        "leave_my_pool",
        "Leave the pool; what is left of your points comes back to you",
        access=OWN,
        tag="me",
        responses={200: LEFT},
        problems=(404, 409),
        idempotent=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Answer how many points came back."""
        member, moment = self.me(), timezone.now()

        def act() -> Outcome:
            points = pool_ends.leave(member_id=member.pk, actor=self.caller.key, moment=moment)
            return 200, {"points": points}, member.pk

        return self.once(act, moment=moment)


class MyPoolMemberRemoveView(_PoolView):
    """Sending somebody away."""

    @operation(
        "remove_from_my_pool",
        "Remove somebody from the pool; their points go back to them; the owner only",
        access=OWN,
        tag="me",
        responses={200: POOL},
        problems=(404, 409),
        idempotent=True,
    )
    def post(self, request: Request, member_id: str) -> HttpResponse:
        """Answer the pool without them."""
        member, moment = self.me(), timezone.now()

        def act() -> Outcome:
            pool_ends.remove(
                owner_id=member.pk,
                member=query.path_id(member_id),
                actor=self.caller.key,
                moment=moment,
            )
            return 200, self.pool_of(member), member.pk

        return self.once(act, moment=moment)
