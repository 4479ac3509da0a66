"""What coupons brought, for the people who print them."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Final
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

from campaigns.queries.coupons import CouponReport, coupon_reports
from members.models import Program
from members.queries.program import current_program
from members.services.exports import as_csv

DAYS: Final = 30
# A page that reads longer than this is a matter of an export, not of a click.
DAYS_MAX: Final = 400


class WindowForm(forms.Form):
    """From which day to which, both included, in the program's time zone."""

    first_day = forms.DateField(
        label=gettext_lazy("From"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    last_day = forms.DateField(
        label=gettext_lazy("Through"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a time that ends before it begins, or that is too long."""
        told: dict[str, Any] = super().clean() or {}
        first, last = told.get("first_day"), told.get("last_day")
        if first and last and not 0 <= (last - first).days < DAYS_MAX:
            days = {"days": DAYS_MAX}
            self.add_error("last_day", _("Ask for 1 to %(days)s days.") % days)
        return told


@require_safe
def coupons_page(request: HttpRequest) -> HttpResponse:
    """Show, or with ``?format=csv`` send, what coupons brought in a time."""
    if not request.user.has_perm("members.view_purchase"):
        raise PermissionDenied
    program = current_program()
    zone = ZoneInfo(program.timezone)
    today = timezone.now().astimezone(zone).date()
    usual = {"first_day": today - timedelta(days=DAYS - 1), "last_day": today}
    form = WindowForm(request.GET if "first_day" in request.GET else usual)
    found = _reports(program, form, zone) if form.is_valid() else []
    if request.GET.get("format") == "csv" and form.is_valid():
        return _file(program, found)
    context = {
        **site.each_context(request),
        "title": _("What coupons brought"),
        "form": form,
        "reports": found,
        "money": program.currency,
        "query": request.GET.urlencode(),
    }
    return TemplateResponse(request, "admin/campaigns/coupons.html", context)


def _reports(program: Program, form: WindowForm, zone: ZoneInfo) -> list[CouponReport]:
    first, last = form.cleaned_data["first_day"], form.cleaned_data["last_day"]
    return coupon_reports(
        program_id=program.pk,
        since=datetime.combine(first, time(), zone),
        until=datetime.combine(last + timedelta(days=1), time(), zone),
    )


def _file(program: Program, found: list[CouponReport]) -> HttpResponse:
    rows = [
        {
            "coupon": each.code,
            "rules": " ".join(each.rules),
            "shown": each.shown,
            "applied": each.applied,
            "members": each.members,
            "first_time": each.first_time,
            "points": " ".join(f"{n} {code}" for code, n in sorted(each.points.items())),
            "revenue": each.revenue,
            "money": program.currency,
            "channels": " ".join(f"{name or '-'}:{n}" for name, n in sorted(each.channels.items())),
        }
        for each in found
    ]
    response = HttpResponse(as_csv(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="coupons.csv"'
    return response
