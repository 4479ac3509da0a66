"""Redemptions, made and resolved by clients and by members."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from loyalty_site.lib import query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.schema import MEMBER, operation
from members.models import Member, Program
from members.queries.program import current_program
from members.services.idempotency import Outcome
from rewards.api.base import RewardsView
from rewards.api.bodies import (
    QUOTE,
    REDEMPTION,
    CancelBody,
    CaptureBody,
    OwnQuoteBody,
    OwnRedemptionBody,
    QuoteBody,
    RedemptionBody,
)
from rewards.presenters import dry_run_body, quote_body, redemption_body
from rewards.queries.redemptions import redemption_of
from rewards.services import redemptions
from rewards.services.quotes import quote

REDEEM = "points:redeem"

Redeeming = RedemptionBody | OwnRedemptionBody


class _RedemptionView(RewardsView):
    def quoted(
        self, program: Program, member: Member, body: QuoteBody | OwnQuoteBody, moment: datetime
    ) -> HttpResponse:
        """Return what redeeming would take."""
        with self.speaking_to(program, member):
            found = quote(
                program=program,
                member_id=member.pk,
                reward_code=body.reward,
                quantity=body.quantity,
                moment=moment,
                with_pool=isinstance(body, OwnQuoteBody) and body.pool,
            )
            return answer(quote_body(found))

    def order(self, member: Member, body: Redeeming) -> redemptions.Order:
        """Return what the body asks for."""
        return redemptions.Order(
            member=member,
            reward=body.reward,
            quantity=body.quantity,
            mode=body.mode,
            hold_minutes=body.hold_minutes,
            external_id=body.external_id or "",
            caller=self.caller.key,
            with_pool=isinstance(body, OwnRedemptionBody) and body.pool,
        )

    def previewed(
        self, program: Program, member: Member, body: Redeeming, moment: datetime
    ) -> HttpResponse:
        """Return the redemption that would be made."""
        with self.speaking_to(program, member):
            found = redemptions.preview(
                program=program, order=self.order(member, body), moment=moment
            )
        return answer(dry_run_body(found, moment=moment))

    def redeemed(
        self, program: Program, member: Member, body: Redeeming, moment: datetime
    ) -> Outcome:
        """Make the redemption and return its answer."""
        with self.speaking_to(program, member):
            made = redemptions.redeem(
                program=program, order=self.order(member, body), moment=moment
            )
        return 201, redemption_body(made, moment=moment), member.pk

    def cancelled(self, redemption_id: str, owner: Member | None, moment: datetime) -> Outcome:
        """Cancel the redemption, of ``owner`` where one is given, and return its answer."""
        public_id = query.path_id(redemption_id)
        body = self.optional_body(CancelBody)
        found = redemptions.cancel(
            public_id=public_id,
            caller=self.caller.key,
            moment=moment,
            reason=body.reason or "",
            member_id=owner.pk if owner else None,
        )
        return 200, redemption_body(found, moment=moment), found.member_id


class Quote(_RedemptionView):
    """`/redemptions/quote`."""

    @operation(
        "quoteRedemption",
        "Say what a redemption would take, lot by lot; nothing is written",
        tag="redemptions",
        access=(REDEEM,),
        request=QuoteBody,
        responses={200: QUOTE},
        problems=(422,),
    )
    def post(self, request: Request) -> HttpResponse:
        moment = timezone.now()
        body = self.body(QuoteBody)
        program = current_program()
        return self.quoted(program, self.member_meant(program, body.member, moment), body, moment)


class RedemptionList(_RedemptionView):
    """`/redemptions`."""

    @operation(
        "redeem",
        "Redeem points for a reward, at once or held for a while",
        tag="redemptions",
        access=(REDEEM,),
        request=RedemptionBody,
        responses={201: REDEMPTION, 200: REDEMPTION},
        problems=(409, 422),
        idempotent=True,
        dry_run=True,
    )
    def post(self, request: Request) -> HttpResponse:
        moment = timezone.now()
        if query.flag(request._request, "dry_run"):
            body = self.body(RedemptionBody)
            program = current_program()
            member = self.member_meant(program, body.member, moment)
            return self.previewed(program, member, body, moment)

        def act() -> Outcome:
            body = self.body(RedemptionBody)
            program = current_program()
            member = self.member_meant(program, body.member, moment)
            return self.redeemed(program, member, body, moment)

        return self.once(act, moment=moment)


class RedemptionDetail(_RedemptionView):
    """`/redemptions/{id}`."""

    @operation(
        "readRedemption",
        "Read a redemption",
        tag="redemptions",
        access=(REDEEM,),
        responses={200: REDEMPTION},
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request, redemption_id: str) -> HttpResponse:
        found = redemption_of(public_id=query.path_id(redemption_id))
        return self.resource(redemption_body(found, moment=timezone.now()))


class Capture(_RedemptionView):
    """`/redemptions/{id}/capture`."""

    @operation(
        "captureRedemption",
        "Redeem the points of a hold, or of a part of its pieces",
        tag="redemptions",
        access=(REDEEM,),
        request=CaptureBody,
        request_required=False,
        responses={200: REDEMPTION},
        problems=(404, 409, 422),
        idempotent=True,
    )
    def post(self, request: Request, redemption_id: str) -> HttpResponse:
        moment = timezone.now()

        def act() -> Outcome:
            public_id = query.path_id(redemption_id)
            body = self.optional_body(CaptureBody)
            found = redemptions.capture(
                program=current_program(),
                public_id=public_id,
                caller=self.caller.key,
                moment=moment,
                quantity=body.quantity,
            )
            return 200, redemption_body(found, moment=moment), found.member_id

        return self.once(act, moment=moment)


class Cancel(_RedemptionView):
    """`/redemptions/{id}/cancel`."""

    @operation(
        "cancelRedemption",
        "Cancel a redemption and give its points back to their lots",
        tag="redemptions",
        access=(REDEEM,),
        request=CancelBody,
        request_required=False,
        responses={200: REDEMPTION},
        problems=(404, 409),
        idempotent=True,
    )
    def post(self, request: Request, redemption_id: str) -> HttpResponse:
        moment = timezone.now()
        return self.once(lambda: self.cancelled(redemption_id, None, moment), moment=moment)


class OwnQuote(_RedemptionView):
    """`/me/redemptions/quote`."""

    @operation(
        "quoteMyRedemption",
        "Say what a redemption would take, lot by lot; nothing is written",
        tag="me",
        access=(MEMBER,),
        request=OwnQuoteBody,
        responses={200: QUOTE},
        problems=(404, 409, 422),
    )
    def post(self, request: Request) -> HttpResponse:
        member = self.member_of_session()
        return self.quoted(current_program(), member, self.body(OwnQuoteBody), timezone.now())


class OwnRedemptionList(_RedemptionView):
    """`/me/redemptions`."""

    @operation(
        "redeemMine",
        "Redeem points for a reward, at once or held for a while",
        tag="me",
        access=(MEMBER,),
        request=OwnRedemptionBody,
        responses={201: REDEMPTION, 200: REDEMPTION},
        problems=(404, 409, 422),
        idempotent=True,
        dry_run=True,
    )
    def post(self, request: Request) -> HttpResponse:
        moment = timezone.now()
        member = self.member_of_session()
        if query.flag(request._request, "dry_run"):
            body = self.body(OwnRedemptionBody)
            return self.previewed(current_program(), member, body, moment)

        def act() -> Outcome:
            body = self.body(OwnRedemptionBody)
            return self.redeemed(current_program(), member, body, moment)

        return self.once(act, moment=moment)


class OwnRedemptionDetail(_RedemptionView):
    """`/me/redemptions/{id}`."""

    @operation(
        "readMyRedemption",
        "Read a redemption of the member's own",
        tag="me",
        access=(MEMBER,),
        responses={200: REDEMPTION},
        problems=(404,),
        conditional=True,
    )
    def get(self, request: Request, redemption_id: str) -> HttpResponse:
        member = self.member_of_session()
        found = redemption_of(public_id=query.path_id(redemption_id), member_id=member.pk)
        return self.resource(redemption_body(found, moment=timezone.now()))


class OwnCancel(_RedemptionView):
    """`/me/redemptions/{id}/cancel`."""

    @operation(
        "cancelMyRedemption",
        "Cancel a redemption of the member's own",
        tag="me",
        access=(MEMBER,),
        request=CancelBody,
        request_required=False,
        responses={200: REDEMPTION},
        problems=(404, 409),
        idempotent=True,
    )
    def post(self, request: Request, redemption_id: str) -> HttpResponse:
        moment = timezone.now()
        member = self.member_of_session()
        return self.once(lambda: self.cancelled(redemption_id, member, moment), moment=moment)
