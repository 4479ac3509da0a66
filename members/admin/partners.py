"""Partners in the admin: what was agreed, moved, paid for and settled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from loyalty_site.lib.admin import BooksAdmin, ProgramFileAdmin, ReadOnlyAdmin, life
from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.models import (
    Partner,
    PartnerBalance,
    PartnerFunding,
    PartnerMovement,
    PartnerRate,
    PartnerStatement,
)
from members.services import partner_statements, partners
from members.services.exports import as_csv


@admin.register(Partner)
class PartnerAdmin(ProgramFileAdmin[Partner]):
    """Companies of the coalition."""

    list_display = ("code", "funding", "currency", "unit", "given_per_day", "taken_per_day", life)
    list_filter = ("funding", "is_retired")
    list_select_related = ("currency", "program")
    search_fields = ("code",)


@admin.register(PartnerRate)
class PartnerRateAdmin(ProgramFileAdmin[PartnerRate]):
    """What is agreed with each partner, from when on."""

    list_display = ("partner", "starts_at", "rate_in", "rate_out", "price_in", "price_out")
    list_filter = ("partner",)
    list_select_related = ("partner",)
    search_fields = ("partner__code",)
    ordering = ("partner_id", "-starts_at")


@admin.register(PartnerBalance)
class PartnerBalanceAdmin(ReadOnlyAdmin[PartnerBalance]):
    """Points that partners paid for, gave and took."""

    list_display = ("partner", "is_prepaid", "funded", "given", "taken", "left")
    list_filter = ("is_prepaid",)
    list_select_related = ("partner",)
    search_fields = ("partner__code",)


@admin.register(PartnerMovement)
class PartnerMovementAdmin(BooksAdmin[PartnerMovement]):
    """Points between members and partners."""

    list_display = (
        *("external_id", "partner", "member", "kind", "state", "points", "units", "amount"),
        "recorded_at",
    )
    list_filter = ("partner", "kind", "state", "month")
    list_select_related = ("partner", "member", "original", "transaction")
    search_fields = ("external_id__exact", "member__number__exact", "public_id__exact")
    search_help_text = gettext_lazy("A partner's whole reference, or a whole member number.")
    ordering = ("-recorded_at", "-pk")
    change_form_outer_before_template = "admin/partners/movement_acts.html"

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(require_POST(self.act))
        return [path("<int:pk>/act/", act, name="members_partnermovement_act"), *super().get_urls()]

    def act(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Note the partner's answer: it gave its currency, or it did not."""
        if not request.user.has_perm("members.change_partnermovement"):
            raise PermissionDenied
        row = get_object_or_404(PartnerMovement, pk=pk)
        act = request.POST.get("act", "")
        try:
            if act == "confirm":
                partners.confirm(public_id=row.public_id)
            elif act == "fail":
                actor = f"staff:{request.user.pk}"
                partners.fail(public_id=row.public_id, actor=actor, moment=timezone.now())
        except DomainError as refusal:
            messages.error(request, refusal.detail)
        else:
            self.log_change(request, row, act[:20])
        return redirect(reverse("admin:members_partnermovement_change", args=[pk]))


class PackForm(forms.Form):
    """A payment of a prepaid partner."""

    partner = forms.ModelChoiceField(
        Partner.objects.filter(funding="prepaid", is_retired=False).order_by("code"),
        label=gettext_lazy("Partner"),
        empty_label=None,
    )
    points = forms.IntegerField(label=gettext_lazy("Points"), min_value=1, max_value=10**9)
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"), min_value=Decimal(0), max_digits=16, decimal_places=4
    )
    reference = forms.CharField(label=gettext_lazy("Number of the payment"), max_length=64)


@admin.register(PartnerFunding)
class PartnerFundingAdmin(ReadOnlyAdmin[PartnerFunding]):
    """Packs of points that prepaid partners paid for."""

    list_display = ("reference", "partner", "points", "amount", "recorded_at", "recorded_by")
    list_filter = ("partner",)
    list_select_related = ("partner", "recorded_by")
    search_fields = ("reference__exact",)
    ordering = ("-recorded_at", "-pk")
    list_before_template = "admin/partners/pack_start.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.record)
        return [path("record/", view, name="members_partnerfunding_record"), *super().get_urls()]

    def record(self, request: HttpRequest) -> HttpResponse:
        """Record a payment."""
        user = staff_with(request, "members.add_partnerfunding")
        form = PackForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                partners.fund(by=user, moment=timezone.now(), **form.cleaned_data)
            except DomainError as refusal:
                form.add_error(None, refusal.detail)
            else:
                messages.success(request, _("The points are paid for."))
                return redirect("admin:members_partnerfunding_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": PartnerFunding._meta,
            "title": _("Record a partner's payment"),
            "form": form,
        }
        return TemplateResponse(request, "admin/partners/form.html", context)


@admin.register(PartnerStatement)
class PartnerStatementAdmin(ReadOnlyAdmin[PartnerStatement]):
    """Months with partners: drafts, and what was closed."""

    list_display = (
        *("partner", "month", "movements", "points_given", "points_taken", "net_amount"),
        "closed_at",
    )
    list_filter = ("partner", ("closed_at", admin.EmptyFieldListFilter))
    list_select_related = ("partner__program", "closed_by")
    search_fields = ("partner__code",)
    ordering = ("-month", "partner_id")
    change_form_outer_before_template = "admin/partners/statement_acts.html"

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "members_partnerstatement"
        return [
            path("<int:pk>/close/", view(require_POST(self.close)), name=f"{name}_close"),
            path("<int:pk>/entries/", view(require_safe(self.entries)), name=f"{name}_entries"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: PartnerStatement) -> dict[str, Any]:
        """Return what can be done about the statement."""
        return {"may_close": request.user.has_perm("members.change_partnerstatement")}

    def close(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Close the month for ever."""
        user = staff_with(request, "members.change_partnerstatement")
        try:
            closed = partner_statements.close(statement_id=pk, by=user, moment=timezone.now())
        except DomainError as refusal:
            messages.error(request, refusal.detail)
        else:
            self.log_change(request, closed, "closed")
            messages.success(request, _("The month is closed."))
        return redirect(reverse("admin:members_partnerstatement_change", args=[pk]))

    def entries(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the movements of the month."""
        if not request.user.has_perm("members.view_partnerstatement"):
            raise PermissionDenied
        statement = get_object_or_404(PartnerStatement.objects.select_related("partner"), pk=pk)
        rows = partner_statements.entries(statement)
        response = HttpResponse(as_csv(rows), content_type="text/csv; charset=utf-8")
        name = f"{statement.partner.code}-{statement.month:%Y-%m}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
