"""What tiers bring and cost, and what other thresholds would have done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from campaigns.programfile import ProgramDocument
from campaigns.programfile.document import TiersSection
from campaigns.queries.tier_economics import tier_economics
from campaigns.services import backtests, trying
from loyalty_site.lib import calendars
from members.queries.program import current_program
from members.services import outbox

QUARTERS: Final = 8
THRESHOLD_MAX: Final = 10**12


class ThresholdsForm(forms.Form):
    """A threshold for each tier above the lowest, rising."""

    def __init__(self, *args: Any, tiers: TiersSection | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for rung in tiers.ladder[1:] if tiers else ():
            self.fields[rung.code] = forms.IntegerField(
                label=rung.code,
                initial=rung.threshold,
                min_value=1,
                max_value=THRESHOLD_MAX,
            )

    def clean(self) -> dict[str, Any]:
        """Refuse thresholds that do not rise."""
        told: dict[str, Any] = super().clean() or {}
        wanted = [told[name] for name in self.fields if name in told]
        if wanted != sorted(set(wanted)):
            raise forms.ValidationError(_("Each threshold is above the one before."))
        return told


@require_http_methods(["GET", "POST"])
def tier_economics_page(request: HttpRequest) -> HttpResponse:
    """Show the tiers by quarter; a post asks for a backtest of other thresholds."""
    if not request.user.has_perm("members.view_tier"):
        raise PermissionDenied
    program, now = current_program(), timezone.now()
    document = trying.document_with(None)
    form = ThresholdsForm(request.POST or None, tiers=document.tiers)
    may_try = request.user.has_perm("campaigns.add_backtest")
    if request.method == "POST":
        if not may_try:
            raise PermissionDenied
        if form.is_valid() and form.fields:
            return _ask(request, _moved(document, form.cleaned_data), now)
    zone = ZoneInfo(program.timezone)
    today = calendars.local_day(now, zone)
    quarter = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    first = calendars.add_months(quarter, 3 - 3 * QUARTERS)
    context = {
        **site.each_context(request),
        "title": _("Tiers by quarter"),
        "rows": tier_economics(program, since=calendars.start_of_day(first, zone)),
        "money": program.currency,
        "form": form,
        "may_try": may_try,
    }
    return TemplateResponse(request, "admin/trials/tier_economics.html", context)


def _moved(document: ProgramDocument, thresholds: dict[str, int]) -> ProgramDocument:
    assert document.tiers is not None
    ladder = tuple(
        replace(rung, threshold=thresholds.get(rung.code, rung.threshold))
        for rung in document.tiers.ladder
    )
    return replace(document, tiers=replace(document.tiers, ladder=ladder))


def _ask(request: HttpRequest, document: ProgramDocument, now: datetime) -> HttpResponse:
    row = backtests.request(
        document=document,
        starts_at=None,
        ends_at=now,
        requested_by=request.user,
        moment=now,
        name=_("Other thresholds"),
    )
    outbox.ring("campaigns.tasks.backtest")
    messages.success(request, _("A worker replays the history; load this page again to see it."))
    return redirect("admin:campaigns_backtest_change", row.pk)
