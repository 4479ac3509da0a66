"""Rehearsals of the next days: what would happen by itself, and to whom."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin, worked
from members.models import Rehearsal, RehearsalLine
from members.services import outbox, rehearsal
from members.services.exports import as_csv

DAYS_MAX = 366
LINES_PER_PART = 2000


@admin.register(Rehearsal)
class RehearsalAdmin(ReadOnlyAdmin[Rehearsal]):
    """Rehearsals; one is asked for above their list, and a worker makes it."""

    list_display = ("requested_at", "days", worked, "members", "done", "skipped", "longest")
    list_filter = ("days", ("failure", admin.EmptyFieldListFilter))
    list_select_related = ("requested_by",)
    search_fields = ("requested_by__email__startswith",)
    search_help_text = gettext_lazy("The beginning of the address of who asked for it.")
    ordering = ("-requested_at", "-pk")
    list_before_template = "admin/operations/rehearsal_start.html"
    change_form_template = "admin/operations/rehearsal.html"

    @admin.display(description=gettext_lazy("longest slice"))
    def longest(self, row: Rehearsal) -> str:
        """Return for how long a slice kept its locks at most."""
        return f"{row.longest_ms} ms"

    def get_urls(self) -> list[URLPattern]:
        start = self.admin_site.admin_view(require_POST(self.start))
        lines = self.admin_site.admin_view(require_safe(self.lines_file))
        return [
            path("start/", start, name="members_rehearsal_start"),
            path("<int:pk>/lines.csv", lines, name="members_rehearsal_lines"),
            *super().get_urls(),
        ]

    def start(self, request: HttpRequest) -> HttpResponse:
        """Ask a worker for a rehearsal of so many days."""
        if not request.user.has_perm("members.add_rehearsal"):
            raise PermissionDenied
        text = request.POST.get("days", "").strip()
        days = int(text) if text.isdecimal() and len(text) <= 3 else 0
        if not 1 <= days <= DAYS_MAX:
            messages.error(request, gettext("Ask for 1 to 366 days."))
            return redirect("admin:members_rehearsal_changelist")
        row = rehearsal.request(days=days, requested_by=request.user, moment=timezone.now())
        outbox.ring("members.tasks.rehearse")
        messages.success(
            request, gettext("A worker rehearses the next days; load this page again to see it.")
        )
        return redirect(reverse("admin:members_rehearsal_change", args=[row.pk]))

    def page_context(self, request: HttpRequest, row: Rehearsal) -> dict[str, Any]:
        """Return what would happen in all; the lines are one click away."""
        lines = reverse("admin:members_rehearsalline_changelist")
        return {
            "rehearsal": row,
            "state": worked(row),
            "totals": [
                (total, f"{lines}?rehearsal__id__exact={row.pk}&what__exact={total['what']}")
                for total in row.totals
            ],
        }

    def lines_file(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """Send every line that was kept."""
        row = get_object_or_404(Rehearsal, pk=pk)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        response = StreamingHttpResponse(_parts(row), content_type="text/csv; charset=utf-8")
        name = f"rehearsal-{row.starts_at:%Y-%m-%d}-{row.days}-days.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _parts(row: Rehearsal) -> Any:
    columns = ("member", "what", "currency", "points", "occurs_at", "text")
    lines = row.lines.order_by("pk").values_list("member__number", *columns[1:])
    part: list[dict[str, Any]] = []
    is_first = True
    for line in lines.iterator(chunk_size=LINES_PER_PART):
        part.append(dict(zip(columns, line, strict=True)))
        if len(part) == LINES_PER_PART:
            yield _text(part, is_first)
            part, is_first = [], False
    if part or is_first:
        yield _text(part, is_first)


def _text(part: list[dict[str, Any]], with_head: bool) -> str:
    text = as_csv(part)
    return text if with_head else text.partition("\n")[2]


@admin.register(RehearsalLine)
class RehearsalLineAdmin(BooksAdmin[RehearsalLine]):
    """What would happen to whom."""

    list_display = ("member", "what", "points", "currency", "occurs_at", "text")
    list_filter = ("what", "currency", "rehearsal")
    list_select_related = ("member", "rehearsal")
    search_fields = ("member__number__exact",)
    search_help_text = gettext_lazy("A whole member number.")
