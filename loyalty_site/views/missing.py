"""Missing points: a receipt told of, purchases of before joining, and what staff found out."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from campaigns.models import ClaimCase
from campaigns.queries import missing as reading
from campaigns.queries.missing import ClaimTerms, Receipt
from campaigns.services import missing
from campaigns.services.claims import AlreadyClaimed, ClaimTooLate
from loyalty_site.lib.errors import DomainError
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from loyalty_site.views.keyed import caller_of
from members.forms import ReceiptForm
from members.models import Member
from members.services.tries import TriedTooOften

CASES_MAX = 30


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def missing_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the form and what became of receipts; posting tells of one, or claims from before."""
    terms = reading.terms_of(member.program)
    if terms is None:
        raise Http404
    action = request.POST.get("action", "")
    if action == "receipt":
        return _tell_of_receipt(request, member, terms)
    if action == "before":
        return _claim_from_before(request, member)
    return _page(request, member, terms, ReceiptForm())


def _page(
    request: HttpRequest, member: Member, terms: ClaimTerms, form: ReceiptForm, status: int = 200
) -> HttpResponse:
    words, moment = Words(member.program), timezone.now()
    since = terms.first_day(moment, ZoneInfo(member.program.timezone))
    cases = ClaimCase.objects.filter(member__in=member.rows).order_by("-made_at", "-pk")
    context = {
        "form": form,
        "since": since,
        "before": [_bought(words, each) for each in reading.before_joining(member, since=since)],
        "cases": [_told(words, case) for case in cases[:CASES_MAX]],
    }
    return render(request, "members/missing.html", context, status=status)


def _bought(words: Words, purchase: Any) -> dict[str, Any]:
    return {
        "public_id": purchase.public_id,
        "at": purchase.occurred_at,
        "store": purchase.store,
        "total": words.money(purchase.net),
    }


def _told(words: Words, case: ClaimCase) -> dict[str, Any]:
    return {
        "receipt": case.receipt,
        "day": case.day,
        "total": words.money(case.total),
        "state_label": _STATES[case.state](),
        "answer": case.answer,
    }


def _tell_of_receipt(request: HttpRequest, member: Member, terms: ClaimTerms) -> HttpResponse:
    form = ReceiptForm(request.POST)
    if not form.is_valid():
        return _page(request, member, terms, form, 422)
    told = form.cleaned_data
    try:
        found = missing.claim_by_receipt(
            member=member,
            receipt=Receipt(told["receipt"].strip(), told["day"], told["total"]),
            actor=caller_of(member),
            moment=timezone.now(),
        )
    except DomainError as refusal:
        form.add_error(None, _refusal(refusal, terms))
        return _page(request, member, terms, form, refusal.status)
    if found.purchase is None:
        messages.info(request, _("No purchase matches this receipt yet. We look for it."))
    else:
        _tell_points(request, member, found.purchase)
    # A page of its own, so that reloading tells of nothing again.
    return redirect("missing")


def _claim_from_before(request: HttpRequest, member: Member) -> HttpResponse:
    try:
        public_id = UUID(request.POST.get("purchase", ""))
    except ValueError:
        raise Http404 from None
    try:
        purchase = missing.claim_from_before(
            member=member, public_id=public_id, actor=caller_of(member), moment=timezone.now()
        )
    except AlreadyClaimed:
        messages.info(request, _("The points of this purchase were given already."))
    else:
        _tell_points(request, member, purchase)
    return redirect("missing")


def _tell_points(request: HttpRequest, member: Member, purchase: dict[str, Any]) -> None:
    points = Words(member.program).points(purchase["points"]["granted"]).text
    messages.success(request, _("Found: %(points)s for you.") % {"points": points})


def _refusal(refusal: DomainError, terms: ClaimTerms) -> str:
    if isinstance(refusal, TriedTooOften):
        minutes = -(-refusal.figures["retry_after"] // 60)
        told = _("Too many receipts matched nothing. Try again in %(minutes)s min.")
        return told % {"minutes": minutes}
    if isinstance(refusal, ClaimTooLate):
        told = _("Points can be claimed for purchases of the last %(days)s days.")
        return told % {"days": terms.lookback_days}
    if isinstance(refusal, AlreadyClaimed):
        return _("The points of this receipt are yours already.")
    return _("Other receipts of yours wait to be looked at first.")


_STATES = {
    "open": lambda: _("we are looking"),
    "granted": lambda: _("points were added"),
    "refused": lambda: _("not found"),
}
