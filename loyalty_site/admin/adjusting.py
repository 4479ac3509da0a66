"""The page on which staff give points to a member, or take some."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from campaigns.queries.endings import default_end
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.languages import pick
from members.admin.staff import staff_with
from members.models import AdjustmentReason, Approval, Member, PointCurrency
from members.services import adjustments, approvals
from members.services.adjustments import Wish
from members.services.evidence import BYTES_MAX, File

POLICY: Final = "policy"
DAY: Final = "day"


class AdjustForm(forms.Form):
    """What a person of the staff fills in."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    currency = forms.ModelChoiceField(
        PointCurrency.objects.filter(is_retired=False).order_by("position", "pk"),
        label=gettext_lazy("Currency"),
        empty_label=None,
    )
    direction = forms.ChoiceField(
        label=gettext_lazy("What to do"),
        choices=[("credit", gettext_lazy("Give points")), ("debit", gettext_lazy("Take points"))],
        widget=forms.RadioSelect,
        initial="credit",
    )
    points = forms.IntegerField(
        label=gettext_lazy("Points"), min_value=1, max_value=adjustments.POINTS_MAX
    )
    reason = forms.ModelChoiceField(
        AdjustmentReason.objects.filter(is_retired=False).order_by("direction", "code"),
        label=gettext_lazy("Reason, which the member reads"),
    )
    note = forms.CharField(
        label=gettext_lazy("Note to the member"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    expires = forms.ChoiceField(
        label=gettext_lazy("How long given points last"),
        choices=[
            (POLICY, gettext_lazy("As the currency's points do")),
            (DAY, gettext_lazy("Through the day below")),
        ],
        initial=POLICY,
        required=False,
    )
    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    is_within_balance = forms.BooleanField(
        label=gettext_lazy("Take what is there, if the member has fewer"), required=False
    )
    why = forms.CharField(
        label=gettext_lazy("Why, for colleagues only"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    evidence = forms.FileField(
        label=gettext_lazy("Evidence: a PDF, PNG or JPEG of at most 2 MB"), required=False
    )

    def clean(self) -> dict[str, Any]:
        """Ask for the day where one was promised."""
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("expires") == DAY and not cleaned.get("last_day"):
            self.add_error("last_day", _("Choose the last day."))
        return cleaned


def adjust_view(request: HttpRequest, pk: int, each_context: dict[str, Any]) -> HttpResponse:
    """Ask for an adjustment; what one person may do alone is posted at once."""
    user = staff_with(request, "members.add_approval")
    member = get_object_or_404(Member.objects.select_related("program"), pk=pk)
    form = AdjustForm(request.POST or None, request.FILES or None, initial={"key": uuid4()})
    _say_reasons(form, member)
    if request.method == "POST" and form.is_valid():
        try:
            made = adjustments.adjust(
                wish=_wish(form.cleaned_data, member), by=user, moment=timezone.now()
            )
        except DomainError as refusal:
            form.add_error(None, refusal.detail)
        else:
            return _answer(request, made.approval, member)
    context = {
        **each_context,
        "opts": Member._meta,
        "title": _("Adjust points of %(name)s") % {"name": member.display_name},
        "member": member,
        "form": form,
        "limits": _limits(),
    }
    return TemplateResponse(request, "admin/members/adjust.html", context)


def _say_reasons(form: AdjustForm, member: Member) -> None:
    languages = [get_language() or "", member.program.locale, "en"]
    # The field keeps a reason apart from how the page calls it.
    form.fields["reason"].label_from_instance = (  # type: ignore[attr-defined]
        lambda reason: (
            f"{pick(reason.text, languages, reason.code)} ({reason.get_direction_display()})"
        )
    )


def _limits() -> list[tuple[str, int, int]]:
    found = PointCurrency.objects.filter(is_retired=False).order_by("position", "pk")
    return [(currency.code, *approvals.limits(currency.pk)) for currency in found]


def _wish(told: dict[str, Any], member: Member) -> Wish:
    currency: PointCurrency = told["currency"]
    upload = told["evidence"]
    gives = told["direction"] == "credit"
    ends = default_end(currency, timezone.now(), ZoneInfo(member.program.timezone))
    if told["expires"] == DAY:
        ends = end_of(told["last_day"], member)
    return Wish(
        member_id=member.pk,
        currency=currency,
        points=told["points"] if gives else -told["points"],
        reason=told["reason"],
        expires_at=ends if gives else None,
        is_within_balance=told["is_within_balance"],
        note=told["note"],
        why=told["why"],
        # One byte more than is allowed says that there are too many.
        file=File(upload.name, upload.read(BYTES_MAX + 1)) if upload else None,
        key=told["key"],
    )


def end_of(last_day: date, member: Member) -> datetime:
    """Return the first instant after a local day."""
    return calendars.start_of_day(last_day + timedelta(days=1), ZoneInfo(member.program.timezone))


def _answer(request: HttpRequest, approval: Approval, member: Member) -> HttpResponse:
    if approval.state == Approval.State.POSTED:
        messages.success(request, _("Done. The member sees it in their activity."))
        return redirect(reverse("admin:members_member_change", args=[member.pk]) + "#statement")
    messages.warning(request, _("A second person has to approve this; nothing has moved yet."))
    return redirect(reverse("admin:members_approval_change", args=[approval.pk]))
