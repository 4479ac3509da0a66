"""Donations to causes in the admin, and the bank documents that paid them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

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

from loyalty_site.lib import calendars
from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin
from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.models import Program
from members.services.exports import as_csv
from rewards.models import Donation, Payout, PayoutLine, Reward
from rewards.queries import donations
from rewards.services import payouts


class PayoutForm(forms.Form):
    """What a bank document says, and up to which day it pays."""

    reward = forms.ModelChoiceField(
        Reward.objects.filter(kind="donation").order_by("is_retired", "position", "pk"),
        label=gettext_lazy("Cause"),
        empty_label=None,
    )
    last_day = forms.DateField(
        label=gettext_lazy("Pays what was given through"),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    document_date = forms.DateField(
        label=gettext_lazy("Date of the document"),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    reference = forms.CharField(label=gettext_lazy("Number of the document"), max_length=64)
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"), max_digits=16, decimal_places=4, min_value=0
    )


@admin.register(Donation)
class DonationAdmin(BooksAdmin[Donation]):
    """What members gave, at the rate of its moment."""

    list_display = (
        *("redemption", "reward", "points", "rate", "amount", "match_amount", "donated_at"),
    )
    list_filter = ("reward", "donated_at")
    list_select_related = ("redemption", "reward")
    search_fields = ("redemption__public_id__exact", "redemption__member__number__exact")
    search_help_text = gettext_lazy("A whole member number, or the id of a redemption.")
    ordering = ("-donated_at", "-pk")


@admin.register(PayoutLine)
class PayoutLineAdmin(BooksAdmin[PayoutLine]):
    """Donations with the document that paid each."""

    list_display = ("payout", "donation", "points", "rate", "amount", "is_open")
    list_filter = ("is_open", "payout__reward")
    list_select_related = ("payout", "donation__redemption", "donation__reward")
    search_fields = ("payout__reference__exact", "donation__redemption__public_id__exact")
    search_help_text = gettext_lazy("A whole number of a document, or the id of a redemption.")
    ordering = ("-payout_id", "pk")

    @admin.display(description=gettext_lazy("points"))
    def points(self, line: PayoutLine) -> int:
        """Return what the member gave."""
        return line.donation.points

    @admin.display(description=gettext_lazy("rate"))
    def rate(self, line: PayoutLine) -> Any:
        """Return the money for one point."""
        return line.donation.rate


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin[Payout]):
    """Bank documents; each is the sum of the donations that it paid."""

    list_display = ("reference", "document_date", "reward", "amount", "recorded_by", "voided_at")
    list_filter = ("reward", ("voided_at", admin.EmptyFieldListFilter))
    list_select_related = ("reward", "recorded_by", "voided_by", "program")
    search_fields = ("reference__exact",)
    search_help_text = gettext_lazy("A whole number of a document.")
    ordering = ("-document_date", "-pk")
    list_before_template = "admin/giving/payout_start.html"
    change_form_outer_before_template = "admin/giving/payout_sum.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("record/", view(self.record), name="rewards_payout_record"),
            path("<int:pk>/void/", view(require_POST(self.void)), name="rewards_payout_void"),
            path("<int:pk>/lines/", view(require_safe(self.lines)), name="rewards_payout_lines"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: Payout) -> dict[str, Any]:
        """Return the document beside the sum of its donations."""
        lines = list(row.lines.select_related("donation"))
        return {
            "lines": len(lines),
            "total": sum(each.amount for each in lines),
            "points": sum(each.donation.points for each in lines),
            "may_void": request.user.has_perm("rewards.change_payout"),
        }

    def record(self, request: HttpRequest) -> HttpResponse:
        """Record a document against the donations that it paid."""
        user = staff_with(request, "rewards.add_payout")
        form = PayoutForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            told = form.cleaned_data
            program = Program.objects.get(pk=told["reward"].program_id)
            until = calendars.start_of_day(
                told["last_day"] + timedelta(days=1), ZoneInfo(program.timezone)
            )
            document = payouts.Document(
                reward=told["reward"],
                document_date=told["document_date"],
                reference=told["reference"],
                amount=told["amount"],
                until=until,
            )
            try:
                made = payouts.record(document=document, by=user, moment=timezone.now())
            except DomainError as refusal:
                form.add_error(None, refusal.detail)
            else:
                messages.success(request, _("The donations are paid."))
                return redirect(reverse("admin:rewards_payout_change", args=[made.pk]))
        found = Program.objects.first()
        context = {
            **self.admin_site.each_context(request),
            "opts": Payout._meta,
            "title": _("Record a payout"),
            "form": form,
            "causes": donations.causes(found) if found else [],
            "money": found.currency if found else "",
        }
        return TemplateResponse(request, "admin/giving/payout_record.html", context)

    def void(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take a payout back that was recorded wrongly."""
        user = staff_with(request, "rewards.change_payout")
        payout = payouts.void(payout_id=pk, by=user, moment=timezone.now())
        self.log_change(request, payout, "voided")
        messages.success(request, _("The payout is void; its donations are unpaid again."))
        return redirect(reverse("admin:rewards_payout_change", args=[pk]))

    def lines(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the donations that the document paid, entry by entry."""
        if not request.user.has_perm("rewards.view_payout"):
            raise PermissionDenied
        payout = get_object_or_404(Payout, pk=pk)
        found = payout.lines.select_related("donation__redemption__debit").order_by("pk")
        response = HttpResponse(
            as_csv([_row(line) for line in found]), content_type="text/csv; charset=utf-8"
        )
        response["Content-Disposition"] = f'attachment; filename="payout-{payout.pk}.csv"'
        return response


def _row(line: PayoutLine) -> dict[str, Any]:
    donation = line.donation
    debit = donation.redemption.debit
    return {
        "redemption": str(donation.redemption.public_id),
        "transaction": str(debit.public_id) if debit else "",
        "donated_at": donation.donated_at.isoformat(),
        "points": donation.points,
        "rate": donation.rate,
        "amount": donation.amount,
        "match_amount": donation.match_amount,
        "paid": line.amount,
    }
