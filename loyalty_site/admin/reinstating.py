"""The page on which staff give expired points back to a member."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from loyalty_site.lib import calendars
from loyalty_site.lib.admin import BooksAdmin
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.languages import pick
from members.admin.staff import staff_with
from members.models import AdjustmentReason, Approval, Member, Reinstatement
from members.queries.expired import Expiry, expiries_of
from members.services import approvals, reinstatement
from members.services.reinstatement import Wish


class ReinstateForm(forms.Form):
    """What a person of the staff fills in."""

    key = forms.UUIDField(widget=forms.HiddenInput)
    points = forms.IntegerField(label=gettext_lazy("Points"), min_value=1)
    reason = forms.ModelChoiceField(
        AdjustmentReason.objects.filter(
            Q(direction="credit") | Q(direction="both"), is_retired=False
        ).order_by("code"),
        label=gettext_lazy("Reason, which the member reads"),
    )
    note = forms.CharField(
        label=gettext_lazy("Note to the member"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    last_day = forms.DateField(
        label=gettext_lazy("Last day; without one they last for the days of grace"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    why = forms.CharField(
        label=gettext_lazy("Why, for colleagues only"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


def reinstate_view(
    request: HttpRequest, pk: int, expiry_id: int, each_context: dict[str, Any]
) -> HttpResponse:
    """Ask that points of an expiry are given back; a small act is posted at once."""
    user = staff_with(request, "members.add_approval")
    member = get_object_or_404(Member.objects.select_related("program"), pk=pk)
    expiry = next(iter(expiries_of(member_id=pk, expiry_id=expiry_id)), None)
    if expiry is None:
        raise Http404
    form = ReinstateForm(request.POST or None, initial={"key": uuid4(), "points": expiry.left})
    _say_reasons(form, member)
    if request.method == "POST" and form.is_valid():
        try:
            made = reinstatement.reinstate(
                wish=_wish(form.cleaned_data, member, expiry), by=user, moment=timezone.now()
            )
        except DomainError as refusal:
            form.add_error(None, refusal.detail)
        else:
            return _answer(request, made.approval, member)
    context = {
        **each_context,
        "opts": Member._meta,
        "title": _("Give expired points back to %(name)s") % {"name": member.display_name},
        "member": member,
        "expiry": expiry,
        "form": form,
        "limits": approvals.limits(expiry.currency_id),
    }
    return TemplateResponse(request, "admin/members/reinstate.html", context)


def _say_reasons(form: ReinstateForm, member: Member) -> None:
    languages = [get_language() or "", member.program.locale, "en"]
    form.fields["reason"].label_from_instance = (  # type: ignore[attr-defined]
        lambda reason: pick(reason.text, languages, reason.code)
    )


def _wish(told: dict[str, Any], member: Member, expiry: Expiry) -> Wish:
    zone, last_day = ZoneInfo(member.program.timezone), told["last_day"]
    return Wish(
        member_id=member.pk,
        expiry_id=expiry.id,
        reason=told["reason"],
        points=told["points"],
        expires_at=calendars.start_of_day(last_day + timedelta(days=1), zone) if last_day else None,
        note=told["note"],
        why=told["why"],
        key=told["key"],
    )


def _answer(request: HttpRequest, approval: Approval, member: Member) -> HttpResponse:
    if approval.state == Approval.State.POSTED:
        messages.success(request, _("Done. The member sees it in their activity."))
        return redirect(reverse("admin:members_member_change", args=[member.pk]) + "#statement")
    messages.warning(request, _("A second person has to approve this; nothing has moved yet."))
    return redirect(reverse("admin:members_approval_change", args=[approval.pk]))


@admin.register(Reinstatement)
class ReinstatementAdmin(BooksAdmin[Reinstatement]):
    """Expired points that were given back, with their transactions."""

    list_display = ("approval", "reason", "expires_at", "expiry", "transaction")
    list_filter = ("reason",)
    list_select_related = ("approval", "reason", "expiry", "transaction")
    search_fields = ("approval__public_id__exact", "approval__member__number__exact")
    search_help_text = gettext_lazy("A whole member number.")
