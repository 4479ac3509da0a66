"""The catalog, for clients and for members."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from loyalty_site.lib import cursors, query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.schema import ID, MEMBER, operation, parameter
from members.models import Member, Program
from members.queries.lookup import resolve_member
from members.queries.program import current_program
from rewards.api.base import RewardsView
from rewards.api.bodies import REWARDS
from rewards.models import Reward
from rewards.presenters import reward_body
from rewards.queries.catalog import OfferedReward, offered, rewards_of, tier_names


class _CatalogView(RewardsView):
    def page(
        self, program: Program, asked: Member | None, reader: Member | None, moment: datetime
    ) -> HttpResponse:
        """Return a page of rewards with what stands against ``asked`` having them."""
        rows, key_of = cursors.keyset(rewards_of(program), "position", "pk")

        def fetch(**place: Any) -> Sequence[OfferedReward]:
            found: Sequence[Reward] = rows(**place)
            return offered(
                program=program,
                rewards=found,
                moment=moment,
                member_id=asked.pk if asked else None,
            )

        with self.speaking_to(program, reader):
            serialize = partial(
                reward_body,
                program=program,
                languages=self.languages(program, reader),
                tier_names=tier_names(program) if asked else {},
            )
            body = cursors.answer_page(
                self.request._request,
                fetch,
                key_of=lambda row: key_of(row.reward),
                serialize=serialize,
                scope=str(asked.pk) if asked else "",
            )
        return answer(body)


class RewardList(_CatalogView):
    """`/rewards`."""

    @operation(
        "listRewards",
        "List the rewards, and for a member every reason against",
        tag="rewards",
        access=("rewards:read", MEMBER),
        responses={200: REWARDS},
        problems=(404, 422),
        query=(
            parameter("member", ID, "The member for whom `eligible` and `reasons` are filled."),
        ),
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        moment = timezone.now()
        program = current_program()
        wanted = query.uuid(request._request, "member")
        if self.caller.user is not None:
            own = self.member_of_session()
            if wanted is not None and wanted != own.public_id:
                raise NotFound
            return self.page(program, own if wanted else None, own, moment)
        member = None
        if wanted is not None:
            member = resolve_member(program=program, moment=moment, id=wanted)
        return self.page(program, member, member, moment)


class OwnRewardList(_CatalogView):
    """`/me/rewards`."""

    @operation(
        "listMyRewards",
        "List the rewards with every reason against the member having them",
        tag="me",
        access=(MEMBER,),
        responses={200: REWARDS},
        listing=True,
    )
    def get(self, request: Request) -> HttpResponse:
        member = self.member_of_session()
        return self.page(current_program(), member, member, timezone.now())
