"""Trying a campaign before it starts: one basket, the history, and ways to abuse it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.forms import formset_factory
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from campaigns.models import CampaignDraft
from campaigns.services import backtests, exploits, trying
from loyalty_site.lib.errors import DomainError
from members.models import Member
from members.queries.lookup import find_member
from members.queries.program import current_program

LINES: Final = 6
# A search from a page is to answer while somebody waits; the command looks further.
DEPTH: Final = 3


class BasketForm(forms.Form):
    """Whose basket, where and when."""

    member = forms.CharField(
        label=gettext_lazy("Member number or card"),
        required=False,
        max_length=128,
        help_text=gettext_lazy("Empty is somebody who has just joined."),
    )
    store = forms.CharField(label=gettext_lazy("Store"), required=False, max_length=64)
    coupon = forms.CharField(label=gettext_lazy("Coupon"), required=False, max_length=128)
    at = forms.DateTimeField(
        label=gettext_lazy("Bought at"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )

    def clean_member(self) -> Member | None:
        """Find the member."""
        told = self.cleaned_data["member"].strip()
        if not told:
            return None
        found = find_member(current_program(), told, timezone.now())
        if found is None:
            raise forms.ValidationError(_("Nobody has this number or card."))
        return found


class LineForm(forms.Form):
    """One line of the basket."""

    category = forms.CharField(label=gettext_lazy("Category"), required=False, max_length=128)
    sku = forms.CharField(label=gettext_lazy("Product"), required=False, max_length=128)
    tags = forms.CharField(label=gettext_lazy("Tags"), required=False, max_length=200)
    quantity = forms.DecimalField(
        label=gettext_lazy("Quantity"), min_value=Decimal("0.001"), max_digits=12, decimal_places=3
    )
    price = forms.DecimalField(
        label=gettext_lazy("Price"), min_value=0, max_digits=12, decimal_places=4
    )

    def basket_line(self) -> trying.BasketLine:
        """Return what was written."""
        said = self.cleaned_data
        return trying.BasketLine(
            sku=said["sku"],
            category=said["category"],
            quantity=said["quantity"],
            price=said["price"],
            tags=tuple(said["tags"].split()),
        )


Lines = formset_factory(LineForm, extra=LINES, min_num=1, max_num=LINES, validate_min=True)


@require_http_methods(["GET", "POST"])
def basket_page(request: HttpRequest) -> HttpResponse:
    """Show what one basket would give, live or with ``?draft=``; nothing is written."""
    draft = _draft(request)
    is_sent = request.method == "POST"
    form = BasketForm(request.POST if is_sent else None, initial={"at": timezone.localtime()})
    lines = Lines(request.POST if is_sent else None)
    tried = None
    if is_sent and form.is_valid() and lines.is_valid():
        said: dict[str, Any] = form.cleaned_data
        at: datetime = said["at"]
        tried = trying.try_basket(
            document=trying.document_with(draft),
            member=said["member"],
            lines=[each.basket_line() for each in lines if each.has_changed()],
            at=at,
            moment=timezone.now(),
            store=said["store"],
            coupons=[said["coupon"]] if said["coupon"] else [],
        )
    context = {
        **site.each_context(request),
        "title": _("Try a basket"),
        "form": form,
        "lines": lines,
        "tried": tried,
        "draft": draft,
    }
    return TemplateResponse(request, "admin/trials/basket.html", context)


@require_http_methods(["GET", "POST"])
def draft_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how a draft can be tried and what is known of it; ``look`` searches for exploits."""
    _may_look(request)
    draft = get_object_or_404(CampaignDraft.objects.select_related("campaign"), pk=pk)
    problem, search, digest = "", None, ""
    try:
        document = trying.document_with(draft)
        digest = backtests.digest_of(backtests.plain(document))
        if request.method == "POST":
            search = exploits.search(document, moment=timezone.now(), depth=DEPTH)
    except DomainError as refusal:
        problem = refusal.detail
    context = {
        **site.each_context(request),
        "title": _("Try it before it starts"),
        "draft": draft,
        "backtest": backtests.of_draft(digest) if digest else None,
        "digest": digest,
        "search": search,
        "problem": problem,
        "back": reverse("admin:campaigns_campaign_change", args=[draft.campaign_id]),
    }
    return TemplateResponse(request, "admin/trials/draft.html", context)


def _may_look(request: HttpRequest) -> None:
    if not request.user.has_perm("campaigns.view_campaign"):
        raise PermissionDenied


def _draft(request: HttpRequest) -> CampaignDraft | None:
    _may_look(request)
    told = request.GET.get("draft", "")
    return get_object_or_404(CampaignDraft, pk=told) if told.isdecimal() else None
