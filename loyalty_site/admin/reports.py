"""Reports of the proof of the books, with the rows behind every difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import ReadOnlyAdmin, badge
from members.models import LedgerReport

# Which list a column of a check leads to.
PLACES: Final = {
    "transaction": "members_ledgertransaction",
    "original": "members_ledgertransaction",
    "account": "members_ledgeraccount",
    "lot": "members_pointlot",
    "hold": "members_ledgerhold",
    "member": "members_member",
    "purchase": "members_purchase",
    "return": "members_return",
    "award": "campaigns_award",
    "redemption": "rewards_redemption",
    "voucher": "rewards_voucher",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a row, and the page of what it names."""

    value: Any
    url: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One invariant of a report as the page shows it."""

    invariant: str
    differences: int
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


class OutcomeFilter(admin.SimpleListFilter):
    """Reports by whether the books added up."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the two outcomes."""
        return [("proved", _("adds up")), ("failed", _("does not add up"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[LedgerReport]
    ) -> QuerySet[LedgerReport]:
        """Return those of the chosen outcome."""
        if self.value() == "proved":
            return queryset.filter(differences=0)
        return queryset.exclude(differences=0) if self.value() == "failed" else queryset


@admin.register(LedgerReport)
class LedgerReportAdmin(ReadOnlyAdmin[LedgerReport]):
    """What each proof found; the newest stands on the dashboard."""

    list_display = ("made_at", "entries", "outcome", "differences", "seconds")
    list_filter = (OutcomeFilter, "made_at")
    search_fields = ("findings__icontains",)
    search_help_text = _("A part of the name of an invariant.")
    ordering = ("-made_at", "-pk")
    change_form_template = "admin/operations/ledger_report.html"

    @badge(_("outcome"), proved="success", failed="danger")
    def outcome(self, report: LedgerReport) -> tuple[str, object]:
        """Return whether the books add up."""
        if report.differences:
            return "failed", _("does not add up")
        return "proved", _("adds up")

    def page_context(self, request: HttpRequest, row: LedgerReport) -> dict[str, Any]:
        """Return a table for each invariant that is broken."""
        return {"report": row, "findings": [shown(finding) for finding in row.findings]}


def shown(finding: Mapping[str, Any]) -> Shown:
    """Return a finding of a report with links to the rows that it names."""
    rows: Sequence[Mapping[str, Any]] = finding["rows"]
    columns = list(rows[0]) if rows else []
    return Shown(
        invariant=finding["invariant"],
        differences=finding["differences"],
        columns=columns,
        rows=[[Cell(row.get(column), _url(column, row.get(column))) for column in columns]
              for row in rows],
    )  # fmt: skip


def _url(column: str, value: Any) -> str:
    place = PLACES.get(column)
    if place is None or value is None:
        return ""
    try:
        if isinstance(value, int):
            return reverse(f"admin:{place}_change", args=[value])
        return f"{reverse(f'admin:{place}_changelist')}?q={value}"
    except NoReverseMatch:
        return ""
