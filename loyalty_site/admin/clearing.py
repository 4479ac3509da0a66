"""A look at what ends by a day: who loses which points, and what the program owes less then."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from loyalty_site.lib import calendars
from members.models import PointCurrency
from members.queries.clearing import Clearing, clearing, usual_day
from members.services.exports import as_csv

# The page names the largest losses; the file has all of them.
LOSSES_SHOWN = 100


class ClearingForm(forms.Form):
    """Which points, and through which day."""

    currency = forms.ModelChoiceField(
        PointCurrency.objects.filter(kind="redeemable").order_by("position", "pk"),
        label=gettext_lazy("currency"),
        required=False,
        empty_label=None,
    )
    day = forms.DateField(
        label=gettext_lazy("through"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )


@require_safe
def clearing_page(request: HttpRequest) -> HttpResponse:
    """Show, or with ``?format=csv`` send, what members lose through a day; nothing is written."""
    if not request.user.has_perm("members.view_ledgeraccount"):
        raise PermissionDenied
    form = ClearingForm(request.GET)
    found = _found(form)
    if found is not None and request.GET.get("format") == "csv":
        return _file(found)
    context = {
        **site.each_context(request),
        "title": _("Points that end"),
        "form": form,
        "clearing": found,
        "losses": found.losses[:LOSSES_SHOWN] if found else [],
        "hidden": max(len(found.losses) - LOSSES_SHOWN, 0) if found else 0,
    }
    return TemplateResponse(request, "admin/operations/clearing.html", context)


def _found(form: ClearingForm) -> Clearing | None:
    if not form.is_valid():
        return None
    currencies = PointCurrency.objects.filter(kind="redeemable", is_retired=False)
    asked = form.cleaned_data["currency"]
    currency = asked or currencies.order_by("position", "pk").first()
    if currency is None:
        return None
    today = calendars.local_day(timezone.now(), ZoneInfo(currency.program.timezone))
    day: date = form.cleaned_data["day"] or usual_day(currency, today)
    return clearing(currency=currency, day=day)


def _file(found: Clearing) -> HttpResponse:
    rows: list[dict[str, Any]] = [
        {
            "member": loss.number,
            "points": loss.points,
            "currency": found.currency.code,
            "value": loss.value,
            "money": found.currency.program.currency,
            "first_end": loss.first_ends_at,
        }
        for loss in found.losses
    ]
    response = HttpResponse(as_csv(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="ends-by-{found.day}.csv"'
    return response
