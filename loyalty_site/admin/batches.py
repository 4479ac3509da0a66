"""Points for many members: a file or a segment, checked, asked for, posted and reversed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from campaigns.queries.endings import default_end
from loyalty_site.lib.admin import BooksAdmin, badge
from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.batch_rows import COLUMNS, NotSuchAFile, safe_cell
from members.models import (
    AdjustmentReason,
    PointBatch,
    PointBatchRow,
    PointCurrency,
    Segment,
    User,
)
from members.queries.program import current_program
from members.services import batches
from members.services.batches import Spec

SHOWN_MAX: Final = 100
State = PointBatch.State


class BatchForm(forms.Form):
    """A file, or so many points for each member of a segment."""

    kind = forms.ChoiceField(label=gettext_lazy("What it is"), choices=PointBatch.Kind.choices)
    currency = forms.ModelChoiceField(
        PointCurrency.objects.filter(is_retired=False).order_by("position", "pk"),
        label=gettext_lazy("Currency"),
        empty_label=None,
    )
    file = forms.FileField(label=gettext_lazy("CSV file, in UTF-8"), required=False)
    segment = forms.ModelChoiceField(
        Segment.objects.filter(is_retired=False).order_by("code"),
        label=gettext_lazy("Or a segment"),
        required=False,
    )
    points = forms.IntegerField(
        label=gettext_lazy("Points for each member of the segment"), min_value=1, required=False
    )
    reason = forms.ModelChoiceField(
        AdjustmentReason.objects.filter(is_retired=False).order_by("direction", "code"),
        label=gettext_lazy("Reason, which the members read"),
        required=False,
    )
    note = forms.CharField(
        label=gettext_lazy("Note to the members"), max_length=500, required=False
    )

    def clean(self) -> dict[str, Any]:
        """Ask for one source, and for a reason where points are adjusted."""
        told: dict[str, Any] = super().clean() or {}
        if bool(told.get("file")) == bool(told.get("segment")):
            raise forms.ValidationError(_("Choose a file or a segment."))
        if told.get("segment") and not told.get("points"):
            self.add_error("points", _("How many points does each member get?"))
        wanted = {"batch_credit": "credit", "batch_debit": "debit"}.get(told.get("kind", ""))
        reason = told.get("reason")
        if wanted and (reason is None or reason.direction not in {"both", wanted}):
            self.add_error("reason", _("Choose a reason for this direction."))
        return told


@admin.register(PointBatch)
class PointBatchAdmin(BooksAdmin[PointBatch]):
    """Batches with how far they are; their pages check, ask, discard and reverse."""

    list_display = (
        *("name", "kind", "currency", "standing", "row_count", "refused_count", "points"),
        *("created_by", "created_at"),
    )
    list_filter = ("state", "kind", "currency")
    list_select_related = ("currency", "program", "created_by", "approval", "reason")
    search_fields = ("name", "public_id__exact")
    ordering = ("-created_at", "-pk")
    list_before_template = "admin/members/batch_new.html"
    change_form_outer_before_template = "admin/members/batch_acts.html"

    @badge(
        gettext_lazy("state"),
        checked="info",
        requested="warning",
        posting="info",
        posted="success",
        reversing="info",
        reversed="danger",
        discarded="danger",
    )
    def standing(self, batch: PointBatch) -> tuple[str, str]:
        """Return how far the batch is, colored."""
        return batch.state, batch.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new), name="members_pointbatch_new"),
            path("<int:pk>/step/", view(require_POST(self.step)), name="members_pointbatch_step"),
            path("<int:pk>/rows.csv", view(require_safe(self.rows)), name="members_pointbatch_csv"),
            *super().get_urls(),
        ]

    def new(self, request: HttpRequest) -> HttpResponse:
        """Take a file or a segment and check it; nothing moves."""
        user = staff_with(request, "members.add_approval")
        form = BatchForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                batch = _take(form.cleaned_data, user)
            except (DomainError, NotSuchAFile) as refusal:
                form.add_error(None, str(refusal))
            except UnicodeDecodeError:
                form.add_error("file", _("The file has to be in UTF-8."))
            else:
                return redirect(reverse("admin:members_pointbatch_change", args=[batch.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("New batch of points"),
            "form": form,
            "columns": COLUMNS,
        }
        return TemplateResponse(request, "admin/members/batch_form.html", context)

    def page_context(self, request: HttpRequest, row: PointBatch) -> dict[str, Any]:
        """Return the batch with its first refused rows."""
        refused = row.rows.filter(state="refused").order_by("line")[:SHOWN_MAX]
        return {"batch": row, "refused_rows": list(refused)}

    def step(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the batch, discard or reverse it, whatever the button says."""
        user = staff_with(request, "members.add_approval")
        batch = PointBatch.objects.filter(pk=pk).first()
        if batch is None:
            raise Http404
        page = redirect(reverse("admin:members_pointbatch_change", args=[pk]))
        try:
            done = _step(batch, request, user)
        except DomainError as refusal:
            messages.error(request, refusal.detail)
            return page
        self.log_change(request, batch, done)
        messages.success(request, done)
        return page

    def rows(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hand out what became of each row; cells that a spreadsheet would compute are escaped."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        written = io.StringIO()
        out = csv.writer(written)
        out.writerow(["line", "member", "points", "state", "problem", "not_found"])
        found = PointBatchRow.objects.filter(batch_id=pk).order_by("line")
        values = found.values_list(
            "line", "member__number", "points", "state", "problem", "kept_points"
        )
        for row in values.iterator(chunk_size=2000):
            out.writerow([safe_cell("" if value is None else str(value)) for value in row])
        answer = HttpResponse(written.getvalue(), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="batch-{pk}.csv"'
        return answer


@admin.register(PointBatchRow)
class PointBatchRowAdmin(BooksAdmin[PointBatchRow]):
    """Rows of batches with what became of them."""

    list_display = ("batch", "line", "member", "points", "state", "problem", "kept_points")
    list_filter = ("state",)
    list_select_related = ("batch", "member", "tier", "transaction", "reversal")
    search_fields = ("batch__public_id__exact", "member__number__exact")
    search_help_text = gettext_lazy("A whole member number, or the id of a batch.")


def _step(batch: PointBatch, request: HttpRequest, user: User) -> str:
    step, moment = request.POST.get("step"), timezone.now()
    if step == "request":
        asked = batches.request(
            batch_id=batch.pk,
            by=user,
            leaves_out_refused="leave_out" in request.POST,
            why=request.POST.get("why", "").strip()[:500],
            moment=moment,
        )
        if asked.state == State.REQUESTED:
            return _("A second person has to approve this; nothing has moved yet.")
        return _("The batch is being posted.")
    if step == "discard":
        batches.discard(batch_id=batch.pk)
        return _("Discarded.")
    if step == "reverse" and user.has_perm("members.change_approval"):
        batches.reverse(
            batch_id=batch.pk, by=user, is_into_debt="debt" in request.POST, moment=moment
        )
        return _("The batch is being reversed.")
    raise PermissionDenied


def _take(told: dict[str, Any], user: User) -> PointBatch:
    program, currency = current_program(), told["currency"]
    zone, upload = ZoneInfo(program.timezone), told["file"]
    spec = Spec(
        program=program,
        currency=currency,
        kind=PointBatch.Kind(told["kind"]),
        name=upload.name if upload else f"segment {told['segment'].code}",
        ending=lambda moment: default_end(currency, moment, zone),
        reason=told["reason"],
        note=told["note"],
    )
    if upload is None:
        return batches.take_segment(
            spec=spec,
            segment=told["segment"],
            points=told["points"],
            by=user,
            moment=timezone.now(),
        )
    return batches.take(spec=spec, lines=_decoded(upload), by=user, moment=timezone.now())


def _decoded(upload: Any) -> Iterator[str]:
    yield from io.TextIOWrapper(upload, encoding="utf-8-sig", newline="")
