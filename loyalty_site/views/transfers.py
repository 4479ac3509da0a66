"""Sending points to somebody: the form, the question, the list, and taking points back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from loyalty_site.pages import transfers as told
from loyalty_site.pages.home import balance_of
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from loyalty_site.views.keyed import caller_of, once
from loyalty_site.views.recent import asked_again
from members.forms import TransferForm
from members.models import Member
from members.presenters import transfer_body
from members.queries.lookup import UnknownMember
from members.queries.program import point_currency
from members.queries.transfers import ended, on_the_way
from members.services import idempotency, transfer_ends, transfers
from members.services.transfers import Decision
from members.transferring import terms_of

ENDED_MAX = 30


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def transfers_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the form and what was sent; posting asks, sends or takes back."""
    act = _ACTS.get(request.POST.get("action", ""))
    return act(request, member) if act is not None else _page(request, member, TransferForm())


def _page(
    request: HttpRequest, member: Member, form: TransferForm, *, status: int = 200, **against: Any
) -> HttpResponse:
    words, moment = Words(member.program), timezone.now()
    unit = point_currency(member.program)
    terms = terms_of(unit.transfers)
    whose = {"member_id": member.pk, "currency_id": unit.pk}
    waiting, past = on_the_way(**whose), ended(**whose, limit=ENDED_MAX)
    # What was sent can be seen and taken back also after the program has switched it off.
    if terms is None and not waiting and not past:
        raise Http404
    context = {
        "form": form,
        "balance": balance_of(words, member, moment),
        "terms": list(told.terms_told(words, terms)) if terms else [],
        "waiting": told.items(words, waiting, member_id=member.pk, moment=moment),
        "ended": told.items(words, past, member_id=member.pk, moment=moment),
        **against,
    }
    return render(request, "members/transfers.html", context, status=status)


def _ask(request: HttpRequest, member: Member) -> HttpResponse:
    return _question(request, member, TransferForm(request.POST))


def _question(
    request: HttpRequest, member: Member, form: TransferForm, *, refusal: str = ""
) -> HttpResponse:
    status = 409 if refusal else 422
    decision = _quoted(member, form)
    if decision is None or decision.reasons:
        against = told.reasons(decision) if decision else []
        # What stands against now says more than what stood against a moment ago.
        return _page(
            request,
            member,
            form,
            status=status,
            reasons=against,
            refusal="" if against or form.errors else refusal,
        )
    context = {
        "quote": told.question(Words(member.program), decision, timezone.now()),
        "form": form,
        "refusal": refusal,
    }
    status = status if refusal else 200
    return render(request, "members/transfer_send.html", context, status=status)


def _quoted(member: Member, form: TransferForm) -> Decision | None:
    if not form.is_valid():
        return None
    try:
        return transfers.quote(
            sender=member,
            to=form.cleaned_data["to"],
            points=form.cleaned_data["points"],
            moment=timezone.now(),
        )
    except UnknownMember as error:
        form.add_error("to", told.refusal_of(error))
    return None


def _send(request: HttpRequest, member: Member) -> HttpResponse:
    form = TransferForm(request.POST)
    if not form.is_valid():
        return _question(request, member, form)
    to, points = form.cleaned_data["to"], form.cleaned_data["points"]
    terms = terms_of(point_currency(member.program).transfers)
    if terms is not None:
        if request.POST.get("fee") != str(terms.fee.of(points)):
            # Nobody pays a fee that they were not shown.
            return _question(request, member, form, refusal=_("The fee is another one now."))
        # Whoever finds a phone unlocked must not be able to empty it.
        is_large = points > terms.confirm_above
        if is_large and (asked := asked_again(request, back="transfers")) is not None:
            return asked
    moment = timezone.now()

    def act() -> idempotency.Outcome:
        made = transfers.request(
            sender=member, to=to, points=points, actor=caller_of(member), moment=moment
        )
        return 201, transfer_body(made, member_id=member.pk, moment=moment), member.pk

    try:
        answer = once(request, member, f"send {points} to {to}", act)
    except UnknownMember as error:
        return _question(request, member, form, refusal=told.refusal_of(error))
    except DomainError as error:
        # It may have been sent by another press: no button here to send it again.
        messages.error(request, told.refusal_of(error))
        return redirect("transfers")
    if answer.status >= 400:
        refusal = told.refusal(answer.body["code"], answer.body["detail"])
        return _question(request, member, form, refusal=refusal)
    sent = {
        "points": Words(member.program).points(answer.body["points"]).text,
        "to": answer.body["to"],
    }
    messages.success(request, _("%(points)s are on their way to %(to)s.") % sent)
    # A page of its own, so that reloading sends nothing.
    return redirect("transfers")


def _cancel(request: HttpRequest, member: Member) -> HttpResponse:
    try:
        public_id = UUID(request.POST.get("transfer", ""))
    except ValueError:
        raise Http404 from None
    moment = timezone.now()

    def act() -> idempotency.Outcome:
        row = transfer_ends.cancel(
            public_id=public_id, actor=caller_of(member), moment=moment, sender_id=member.pk
        )
        return 200, transfer_body(row, member_id=member.pk, moment=moment), member.pk

    try:
        answer = once(request, member, f"take back {public_id}", act)
    except NotFound:
        raise Http404 from None
    except DomainError as error:
        messages.error(request, told.refusal_of(error))
        return redirect("transfers")
    if answer.status >= 400:
        messages.error(request, told.refusal(answer.body["code"], answer.body["detail"]))
    else:
        back = Words(member.program).points(answer.body["points"] + answer.body["fee"]).text
        messages.success(request, _("Taken back. %(points)s are yours again.") % {"points": back})
    return redirect("transfers")


_ACTS: Final[Mapping[str, Callable[[HttpRequest, Member], HttpResponse]]] = {
    "ask": _ask,
    "send": _send,
    "cancel": _cancel,
}
