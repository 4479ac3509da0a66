"""A date of birth that staff correct, on the member's page."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty_site.lib.errors import DomainError
from members.admin.staff import note_change, staff_with
from members.models import Member
from members.services import profile


class BirthDateForm(forms.Form):
    """The day, and why it is corrected."""

    birth_date = forms.DateField()
    why = forms.CharField(max_length=200)


def birth_date_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the day anew, note in the member's history that it was done, and go back."""
    user = staff_with(request, "members.change_member")
    member = get_object_or_404(Member, pk=pk)
    form = BirthDateForm(request.POST)
    page = redirect(reverse("admin:members_member_change", args=[pk]) + "#person")
    if not form.is_valid():
        messages.error(request, _("Write the day and why it is corrected."))
        return page
    try:
        profile.correct_birth_date(
            member_id=member.pk,
            birth_date=form.cleaned_data["birth_date"],
            by=user,
            why=form.cleaned_data["why"],
            moment=timezone.now(),
        )
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return page
    # The history outlives an erasure: neither the day nor the reason stands in it.
    told = _("The date of birth was corrected.")
    note_change(member, user, told)
    messages.success(request, told)
    return page
