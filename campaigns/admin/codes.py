"""Codes that earn, in the admin: made, counted and withdrawn."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from campaigns.models import CodeBatch, EarningCode
from campaigns.queries import rulebook
from campaigns.services import codes
from campaigns.services.codes import BatchSpec
from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin, badge
from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.services.exports import as_csv

TRIGGER = f"event:{codes.EVENT_TYPE}"


class CodeBatchForm(forms.Form):
    """How many codes, for what and for how long; times are the program's."""

    code = forms.SlugField(label=gettext_lazy("Code of the batch"), max_length=64)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=100)
    count = forms.IntegerField(
        label=gettext_lazy("How many codes"), min_value=1, max_value=codes.COUNT_MAX
    )
    store = forms.CharField(label=gettext_lazy("Store"), max_length=64, required=False)
    amount = forms.DecimalField(
        label=gettext_lazy("Amount of the receipt"),
        min_value=0,
        max_digits=12,
        decimal_places=4,
        required=False,
    )
    valid_from = forms.DateTimeField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )
    valid_until = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a time that ends before it begins."""
        told: dict[str, Any] = super().clean() or {}
        start, end = told.get("valid_from"), told.get("valid_until")
        if start and end and end <= start:
            self.add_error("valid_until", _("The time ends before it begins."))
        return told


@admin.register(CodeBatch)
class CodeBatchAdmin(ReadOnlyAdmin[CodeBatch]):
    """Batches with how many of their codes were redeemed."""

    list_display = (
        *("code", "name", "count", "redeemed", "store", "valid_from", "valid_until"),
        *("standing", "created_by", "created_at"),
    )
    list_filter = ("created_at", ("withdrawn_at", admin.EmptyFieldListFilter))
    list_select_related = ("program", "created_by")
    search_fields = ("code", "name")
    ordering = ("-created_at", "-pk")
    list_before_template = "admin/campaigns/codebatch_new.html"
    change_form_outer_before_template = "admin/campaigns/codebatch_acts.html"

    @admin.display(description=gettext_lazy("redeemed"))
    def redeemed(self, batch: Any) -> int:
        """Return how many codes were redeemed."""
        found: int = batch.redeemed_count
        return found

    @badge(gettext_lazy("state"), open="success", withdrawn="danger")
    def standing(self, batch: CodeBatch) -> tuple[str, str]:
        """Return whether its codes can be redeemed, colored."""
        if batch.withdrawn_at is not None:
            return "withdrawn", _("withdrawn")
        return "open", _("open")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CodeBatch]:
        return super().get_queryset(request).annotate(redeemed_count=Count("codes__event"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new), name="campaigns_codebatch_new"),
            path(
                "<int:pk>/withdraw/",
                view(require_POST(self.withdraw)),
                name="campaigns_codebatch_withdraw",
            ),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: CodeBatch) -> dict[str, Any]:
        """Return the batch, whose codes can be withdrawn."""
        return {"batch": row}

    def new(self, request: HttpRequest) -> HttpResponse:
        """Make codes and answer with their file, the only place where they ever stand."""
        user = staff_with(request, "campaigns.add_codebatch")
        form = CodeBatchForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                batch, made = codes.make(
                    spec=_spec(form.cleaned_data), user=user, moment=timezone.now()
                )
            except DomainError as refusal:
                form.add_error("code", str(refusal))
            else:
                return _file(batch, made)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("New codes that earn"),
            "form": form,
            "answering": _is_answered(),
        }
        return TemplateResponse(request, "admin/campaigns/codebatch_form.html", context)

    def withdraw(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let no more codes of the batch be redeemed."""
        staff_with(request, "campaigns.add_codebatch")
        batch = get_object_or_404(CodeBatch, pk=pk)
        codes.withdraw(batch=batch, moment=timezone.now())
        messages.success(request, _("The codes are withdrawn."))
        return redirect(reverse("admin:campaigns_codebatch_change", args=[pk]))


def _spec(told: dict[str, Any]) -> BatchSpec:
    return BatchSpec(
        code=told["code"],
        name=told["name"],
        count=told["count"],
        store=told["store"],
        amount=told["amount"],
        valid_from=told["valid_from"],
        valid_until=told["valid_until"],
    )


def _is_answered() -> bool:
    published = rulebook.latest().rules_at(timezone.now())
    return published is not None and TRIGGER in published.by_trigger


def _file(batch: CodeBatch, made: list[str]) -> HttpResponse:
    """Return the codes with the links that a QR code holds, as CSV."""
    page = f"{settings.BASE_URL.rstrip('/')}{reverse('earn')}"
    rows = [{"code": code, "link": f"{page}?{urlencode({'code': code})}"} for code in made]
    response = HttpResponse(as_csv(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="codes-{batch.code}.csv"'
    response["Cache-Control"] = "no-store"
    return response


@admin.register(EarningCode)
class EarningCodeAdmin(BooksAdmin[EarningCode]):
    """Codes by what became of them; the codes themselves nobody can read here."""

    list_display = ("public_id", "batch", "member", "redeemed_at")
    list_filter = ("batch",)
    list_select_related = ("batch", "member", "event")
    search_fields = ("public_id__exact", "member__number__exact")
    search_help_text = gettext_lazy("The id of a code, or a whole member number.")
    ordering = ("-pk",)
