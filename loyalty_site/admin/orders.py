"""Points that members bought: the list, recording a paid order, and giving points back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from campaigns.queries.endings import default_end
from loyalty_site.lib import calendars, money
from loyalty_site.lib.admin import BooksAdmin, badge
from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.models import Approval, Member, PointCurrency, PointsOrder
from members.services import adjustments, approvals, orders
from members.services.orders import Sale


class OrderForm(forms.Form):
    """What a person of the staff fills in about a payment that was made elsewhere."""

    currency = forms.ModelChoiceField(
        PointCurrency.objects.filter(is_retired=False, kind="redeemable").order_by(
            "position", "pk"
        ),
        label=gettext_lazy("Currency"),
        empty_label=None,
    )
    points = forms.IntegerField(
        label=gettext_lazy("Points"), min_value=1, max_value=adjustments.POINTS_MAX
    )
    price = forms.DecimalField(
        label=gettext_lazy("Price of all of them"), max_digits=16, decimal_places=4
    )
    money = forms.CharField(label=gettext_lazy("Money, such as EUR"), min_length=3, max_length=3)
    provider = forms.CharField(label=gettext_lazy("Who took the payment"), max_length=64)
    reference = forms.CharField(
        label=gettext_lazy("How they name the payment: no personal data"), max_length=128
    )
    paid_date = forms.DateField(
        label=gettext_lazy("Day of the payment"), widget=forms.DateInput(attrs={"type": "date"})
    )
    why = forms.CharField(
        label=gettext_lazy("For colleagues only"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean_money(self) -> str:
        """Return the code in capitals."""
        return str(self.cleaned_data["money"]).upper()


@admin.register(PointsOrder)
class PointsOrderAdmin(BooksAdmin[PointsOrder]):
    """Payments for points, and what was given back of them."""

    list_display = (
        *("reference", "provider", "member", "points", "currency", "price", "money", "standing"),
        *("paid_at", "refundable_until", "refunded_points", "refunded_price"),
    )
    list_filter = ("state", "provider", "currency")
    list_select_related = (*("member", "currency", "program", "approval", "transaction", "refund"),)
    search_fields = ("reference__exact", "member__number__exact")
    search_help_text = gettext_lazy("A whole member number, or the reference of a payment.")
    ordering = ("-paid_at", "-pk")
    change_form_outer_before_template = "admin/members/order_acts.html"

    @badge(
        gettext_lazy("state"),
        waiting="warning",
        paid="success",
        refunded="info",
        withdrawn="danger",
        rejected="danger",
    )
    def standing(self, order: PointsOrder) -> tuple[str, str]:
        """Return what became of the order; its points may wait for a second person."""
        if order.state == PointsOrder.State.PAID and order.transaction_id is None:
            is_rejected = order.approval.state == Approval.State.REJECTED
            return ("rejected" if is_rejected else "waiting"), order.approval.get_state_display()
        return order.state, order.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        refund = self.admin_site.admin_view(require_POST(self.refund))
        return [
            path("<int:pk>/refund/", refund, name="members_pointsorder_refund"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: PointsOrder) -> dict[str, Any]:
        """Return what a refund would take and return now."""
        now = timezone.now()
        is_open = row.transaction_id is not None and row.state == PointsOrder.State.PAID
        return {
            "order": row,
            "is_open": is_open,
            "is_in_time": now < row.refundable_until,
            "quote": orders.quote(order=row, moment=now) if is_open else None,
            "may_refund": request.user.has_perm("members.change_approval"),
        }

    def refund(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take back what the quote said, for a reason."""
        user = staff_with(request, "members.change_approval")
        order = get_object_or_404(PointsOrder, pk=pk)
        page = redirect(reverse("admin:members_pointsorder_change", args=[pk]))
        why, told = request.POST.get("why", "").strip()[:500], request.POST.get("points", "")
        if not why:
            messages.error(request, _("Say why: the reason stands on the order."))
            return page
        try:
            done = orders.refund(
                order_id=order.pk,
                by=user,
                why=why,
                moment=timezone.now(),
                expected=int(told) if told.isascii() and told.isdecimal() else 0,
            )
        except DomainError as refusal:
            messages.error(request, refusal.detail)
            return page
        self.log_change(request, done, _("Refunded."))
        price = money.wire(done.refunded_price or Decimal(0), done.price_digits)
        figures = {"points": done.refunded_points, "price": price, "m": done.money}
        messages.success(
            request,
            _("%(points)s points were taken back. Return %(price)s %(m)s of the payment.")
            % figures,
        )
        return page


def order_view(request: HttpRequest, pk: int, each_context: dict[str, Any]) -> HttpResponse:
    """Record a paid order; what one person may do alone is posted at once."""
    user = staff_with(request, "members.add_approval")
    member = get_object_or_404(Member.objects.select_related("program"), pk=pk)
    now = timezone.now()
    today = calendars.local_day(now, ZoneInfo(member.program.timezone))
    initial = {"paid_date": today, "money": member.program.currency}
    form = OrderForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            order = orders.buy(sale=_sale(form.cleaned_data, member, now), by=user, moment=now)
        except DomainError as refusal:
            form.add_error(None, refusal.detail)
        else:
            return _answer(request, order, member)
    currencies = PointCurrency.objects.filter(is_retired=False).order_by("position", "pk")
    context = {
        **each_context,
        "opts": Member._meta,
        "title": _("Record a paid order of %(name)s") % {"name": member.display_name},
        "member": member,
        "form": form,
        "submit": _("Record the order"),
        "limits": [(each.code, *approvals.limits(each.pk)) for each in currencies],
    }
    return TemplateResponse(request, "admin/members/adjust.html", context)


def _sale(told: dict[str, Any], member: Member, now: datetime) -> Sale:
    zone = ZoneInfo(member.program.timezone)
    return Sale(
        member=member,
        currency=told["currency"],
        points=told["points"],
        price=told["price"],
        money=told["money"],
        provider=told["provider"],
        reference=told["reference"],
        paid_at=calendars.start_of_day(told["paid_date"], zone),
        expires_at=default_end(told["currency"], now, zone),
        why=told["why"],
    )


def _answer(request: HttpRequest, order: PointsOrder, member: Member) -> HttpResponse:
    if order.transaction_id is not None:
        messages.success(request, _("Done. The member sees it in their activity."))
        return redirect(reverse("admin:members_member_change", args=[member.pk]) + "#statement")
    messages.warning(request, _("A second person has to approve this; nothing has moved yet."))
    return redirect(reverse("admin:members_approval_change", args=[order.pk]))
