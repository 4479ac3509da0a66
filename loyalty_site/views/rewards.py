"""What points buy: the rewards, the redemption and the member's codes."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from loyalty_site.pages import catalog, codes, redeeming
from loyalty_site.pages.home import balance_shown
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from loyalty_site.views.keyed import caller_of, once
from members.models import Member
from members.queries.balances import balance_now
from members.services import idempotency
from members.services.pool_points import NotInAPool, PoolRefused
from rewards.models import Redemption
from rewards.presenters import redemption_body
from rewards.queries.catalog import names_tiers, offered, rewards_of, tier_names
from rewards.queries.redemptions import codes_of, redemption_of
from rewards.services import payers, redemptions
from rewards.services.quotes import quote
from rewards.services.refusals import UnknownReward


@require_safe
@member_page
def rewards(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the catalog with every reason against, narrowed by a filter."""
    moment, words = timezone.now(), Words(member.program)
    rows = list(rewards_of(member.program).order_by("points_price", "pk"))
    found = offered(program=member.program, rewards=rows, moment=moment, member_id=member.pk)
    speaks_of_tiers = any(names_tiers(each.reasons or ()) for each in found)
    names = tier_names(member.program) if speaks_of_tiers else {}
    balance = balance_now(member=member.public_id, moment=moment)
    available = balance.available if balance else 0
    cards = [catalog.card(words, each, available=available, tier_names=names) for each in found]
    chosen = request.GET.get("show", "")
    context = {
        "balance": balance_shown(words, balance) if balance else None,
        "filters": catalog.filters(cards, chosen, reverse("rewards")),
        "rewards": catalog.narrowed(cards, chosen),
        "active_codes": Redemption.objects.filter(
            member=member, voucher__state="issued", voucher__expires_at__gt=moment
        ).count(),
    }
    return render(request, "rewards/rewards.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def reward_redeem(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """Ask before a redemption, and make it once however often the button is pressed."""
    with_pool = (request.POST if request.method == "POST" else request.GET).get("pool") == "1"
    if request.method != "POST":
        return _question(request, member, code, with_pool=with_pool)
    moment = timezone.now()

    def act() -> idempotency.Outcome:
        made = redemptions.redeem(
            program=member.program,
            order=redemptions.Order(
                member=member, reward=code, caller=caller_of(member), with_pool=with_pool
            ),
            moment=moment,
        )
        return 201, redemption_body(made, moment=moment), member.pk

    try:
        what = f"redeem {code}{' from the pool' if with_pool else ''}"
        answer = once(request, member, what, act)
    except DomainError as error:
        return _question(request, member, code, redeeming.refusal_of(error), with_pool=with_pool)
    if answer.status >= 400:
        refusal = redeeming.refusal(answer.body["code"], answer.body["detail"])
        return _question(request, member, code, refusal, with_pool=with_pool)
    public_id = UUID(answer.body["id"])
    if request.htmx:  # type: ignore[attr-defined]
        return _done(request, member, public_id)
    # A page of its own, so that reloading shows the code again and sends nothing.
    return redirect("redemption", public_id)


@require_safe
@member_page
def redemption(request: HttpRequest, member: Member, public_id: UUID) -> HttpResponse:
    """Show what a redemption gave the member."""
    return _done(request, member, public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def codes_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the member's codes; posting cancels a redemption."""
    if request.method == "POST":
        return _cancel(request, member)
    words, moment = Words(member.program), timezone.now()
    groups = codes.grouped(words, codes_of(member=member), moment)
    return render(request, "rewards/codes.html", groups)


def _question(
    request: HttpRequest,
    member: Member,
    code: str,
    refusal: str = "",
    *,
    with_pool: bool = False,
) -> HttpResponse:
    # Who may not redeem from the pool any more is asked about their own points.
    with_pool = with_pool and _may_pay_by_pool(member)
    try:
        found = quote(
            program=member.program,
            member_id=member.pk,
            reward_code=code,
            quantity=1,
            moment=timezone.now(),
            with_pool=with_pool,
        )
    except UnknownReward:
        raise Http404 from None
    context = {
        **redeeming.question(Words(member.program), found),
        "key": codes.new_key(),
        "action": reverse("reward_redeem", args=[code]),
        "refusal": refusal,
        "with_pool": with_pool,
        "can_pool": not with_pool and _may_pay_by_pool(member),
    }
    is_sheet = request.htmx  # type: ignore[attr-defined]
    name = "rewards/reward_redeem_sheet.html" if is_sheet else "rewards/reward_redeem.html"
    return render(request, name, context, status=409 if refusal else 200)


def _may_pay_by_pool(member: Member) -> bool:
    # Most programs have no pools, and their pages ask nothing.
    if not member.program.pools:
        return False
    try:
        payers.of_pool(member_id=member.pk)
    except (NotInAPool, PoolRefused):
        return False
    return True


def _done(request: HttpRequest, member: Member, public_id: UUID) -> HttpResponse:
    moment = timezone.now()
    try:
        found = redemption_of(public_id=public_id, member_id=member.pk)
    except NotFound:
        raise Http404 from None
    balance = balance_now(member=member.public_id, moment=moment)
    context = codes.done(
        Words(member.program),
        found,
        available=balance.available if balance else 0,
        moment=moment,
    )
    is_sheet = request.htmx  # type: ignore[attr-defined]
    name = "rewards/redemption_done_sheet.html" if is_sheet else "rewards/redemption_done.html"
    return render(request, name, context)


def _cancel(request: HttpRequest, member: Member) -> HttpResponse:
    try:
        public_id = UUID(request.POST.get("redemption", ""))
    except ValueError:
        raise Http404 from None
    moment = timezone.now()

    def act() -> idempotency.Outcome:
        found = redemptions.cancel(
            public_id=public_id, caller=caller_of(member), moment=moment, member_id=member.pk
        )
        return 200, redemption_body(found, moment=moment), member.pk

    try:
        answer = once(request, member, f"cancel {public_id}", act)
    except NotFound:
        raise Http404 from None
    except DomainError as error:
        messages.error(request, redeeming.refusal_of(error))
        return redirect("codes")
    if answer.status >= 400:
        messages.error(request, redeeming.refusal(answer.body["code"], answer.body["detail"]))
    else:
        points = Words(member.program).points(answer.body["points"]).text
        messages.success(request, _("Cancelled. %(points)s are back.") % {"points": points})
    return redirect("codes")
