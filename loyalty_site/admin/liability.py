"""What the program owes: points by currency and month of their end, with their worth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from members.queries.liability import Liability, Month, liabilities
from members.services.exports import as_csv

# The width of the longest bar, in the units of its drawing.
BAR = 100


@dataclass(frozen=True, slots=True)
class Row:
    """A month with the list of its lots and the width of its bar, of ``BAR``."""

    month: Month
    url: str
    width: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A currency as the page shows it."""

    liability: Liability
    rows: list[Row]


@require_safe
def liability_page(request: HttpRequest) -> HttpResponse:
    """Show, or with ``?format=csv`` send, what is owed by currency and month."""
    if not request.user.has_perm("members.view_ledgeraccount"):
        raise PermissionDenied
    found = liabilities()
    now = timezone.now()
    if request.GET.get("format") == "csv":
        return _file(found, now)
    context = {
        **site.each_context(request),
        "title": _("Liability"),
        "currencies": [_shown(each) for each in found],
        "now": now,
        "bar": BAR,
    }
    return TemplateResponse(request, "admin/operations/liability.html", context)


def _shown(liability: Liability) -> Shown:
    longest = max((month.points for month in liability.months), default=0) or 1
    return Shown(
        liability,
        [
            Row(month, _lots(liability, month), BAR * month.points // longest)
            for month in liability.months
        ],
    )


def _lots(liability: Liability, month: Month) -> str:
    asked: dict[str, Any] = {
        "account__currency__id__exact": liability.currency.pk,
        "remaining__gt": 0,
    }
    if month.since is None or month.until is None:
        asked["expires_at__isnull"] = "True"
    else:
        asked |= {
            "expires_at__gt": month.since.isoformat(),
            "expires_at__lte": month.until.isoformat(),
        }
    return f"{reverse('admin:members_pointlot_changelist')}?{urlencode(asked)}"


def _file(found: list[Liability], now: datetime) -> HttpResponse:
    rows: list[dict[str, Any]] = []
    for each in found:
        money = each.currency.program.currency
        rows += [
            {
                "currency": each.currency.code,
                "ends_in": month.month.strftime("%Y-%m") if month.month else "never",
                "available": month.available,
                "pending": month.pending,
                "held": 0,
                "purchased": month.purchased,
                "value": month.value,
                "money": money,
            }
            for month in each.months
        ]
        rows.append(
            {
                "currency": each.currency.code,
                "ends_in": "held",
                "available": 0,
                "pending": 0,
                "held": each.held,
                "purchased": 0,
                "value": each.held * each.currency.value,
                "money": money,
            }
        )
    response = HttpResponse(as_csv(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="liability-{now:%Y-%m-%d}.csv"'
    return response
