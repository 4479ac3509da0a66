"""Backtests: what a draft would have done on the real history, asked for and read by staff."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from campaigns import backtest_report
from campaigns.models import Backtest, CampaignDraft
from campaigns.programfile import ProgramDocument, ProgramFileError, dump, parse
from campaigns.services import backtests, trying
from campaigns.services.program import live_document
from loyalty_site.lib import calendars
from loyalty_site.lib.admin import ReadOnlyAdmin, worked
from loyalty_site.lib.errors import DomainError
from members.queries.program import current_program
from members.services import outbox


class BacktestForm(forms.Form):
    """What is to be replayed: a program as text, and the days of the history."""

    name = forms.CharField(label=gettext_lazy("What the report is called"), max_length=200)
    since = forms.DateField(
        label=gettext_lazy("The draft holds from"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty is from the beginning of the history."),
    )
    until = forms.DateField(
        label=gettext_lazy("Until the end of"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Empty is until now."),
    )
    draft = forms.CharField(
        label=gettext_lazy("The draft, as a program file"),
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false"}),
    )

    def clean_draft(self) -> ProgramDocument:
        """Read the file; every mistake is told with its path."""
        try:
            return parse(self.cleaned_data["draft"])
        except ProgramFileError as error:
            raise forms.ValidationError([str(each) for each in error.problems]) from None

    def clean(self) -> dict[str, Any]:
        """Refuse a window that ends before it begins."""
        cleaned: dict[str, Any] = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            raise forms.ValidationError(gettext("The window ends before it begins."))
        return cleaned


@admin.register(Backtest)
class BacktestAdmin(ReadOnlyAdmin[Backtest]):
    """Backtests; one is asked for above their list, and a worker makes it."""

    list_display = ("__str__", worked, "requested_at", "progress", "points", "requested_by")
    list_filter = (("failure", admin.EmptyFieldListFilter), "requested_at")
    list_select_related = ("requested_by", "program")
    search_fields = ("name__startswith", "draft_digest__startswith")
    search_help_text = gettext_lazy("The beginning of its name or of the draft's digest.")
    ordering = ("-requested_at", "-pk")
    list_before_template = "admin/trials/backtest_start.html"
    change_form_template = "admin/trials/backtest.html"

    @admin.display(description=gettext_lazy("members"))
    def progress(self, row: Backtest) -> str:
        """Return how many members have been replayed."""
        return f"{row.done:,} / {row.members:,}"

    @admin.display(description=gettext_lazy("change in points given"))
    def points(self, row: Backtest) -> str:
        """Return what the draft would have given more or less."""
        if not row.figures:
            return ""
        code = row.figures["currency"]
        sides = [row.figures[side]["given"].get(code, 0) for side in ("before", "after")]
        return f"{sides[1] - sides[0]:+,}"

    def get_urls(self) -> list[URLPattern]:
        start = self.admin_site.admin_view(self.start)
        return [path("start/", start, name="campaigns_backtest_start"), *super().get_urls()]

    def start(self, request: HttpRequest) -> HttpResponse:
        """Show the form, which begins with the live program, or ask a worker."""
        if not request.user.has_perm("campaigns.add_backtest"):
            raise PermissionDenied
        form = BacktestForm(request.POST or None, initial=_initial(request.GET.get("draft", "")))
        if request.method == "POST" and form.is_valid():
            return self._ask(request, form)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Try a draft on the history"),
            "form": form,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/trials/backtest_form.html", context)

    def _ask(self, request: HttpRequest, form: BacktestForm) -> HttpResponse:
        said, now = form.cleaned_data, timezone.now()
        until = _day(said["until"], after=True)
        try:
            row = backtests.request(
                document=said["draft"],
                starts_at=_day(said["since"], after=False),
                ends_at=min(until, now) if until else now,
                requested_by=request.user,
                moment=now,
                name=said["name"],
            )
        except DomainError as refusal:
            messages.error(request, refusal.detail)
            return redirect("admin:campaigns_backtest_changelist")
        outbox.ring("campaigns.tasks.backtest")
        messages.success(
            request, gettext("A worker replays the history; load this page again to see it.")
        )
        return redirect(reverse("admin:campaigns_backtest_change", args=[row.pk]))

    def page_context(self, request: HttpRequest, row: Backtest) -> dict[str, Any]:
        """Return the report, or how far it is."""
        return {
            "backtest": row,
            "state": worked(row),
            "report": _report(row) if row.figures else None,
        }


def _initial(draft: str) -> dict[str, str]:
    """Return what the form begins with: the live program, with a campaign's draft in it."""
    found = CampaignDraft.objects.filter(pk=draft).first() if draft.isdecimal() else None
    if found is not None:
        return {
            "draft": dump(backtests.plain(trying.document_with(found))),
            "name": str(found.body["code"]),
        }
    live = live_document()
    return {"draft": dump(live) if live else "", "name": gettext("Draft")}


def _report(row: Backtest) -> backtest_report.Report:
    ladder = backtest_report.ladder_of(row.program.document, row.draft)
    return backtest_report.report(row.figures, ladder, row.program.currency)


def _day(day: date | None, *, after: bool) -> Any:
    if day is None:
        return None
    zone = ZoneInfo(current_program().timezone)
    return calendars.end_of_day(day, zone) if after else calendars.start_of_day(day, zone)
