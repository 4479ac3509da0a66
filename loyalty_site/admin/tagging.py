"""Tags that staff put on a member and take off, on the member's page."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty_site.lib.errors import DomainError
from members.admin.staff import note_change, staff_with
from members.models import Member, User
from members.services import tags


class TagForm(forms.Form):
    """The word, and the last day on which it stands there."""

    tag = forms.CharField(max_length=tags.TAG_LENGTH_MAX)
    last_day = forms.DateField(required=False)


def tag_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Do what the form says, note it in the member's history, and go back to the page."""
    user = staff_with(request, "members.add_membertag")
    member = get_object_or_404(Member.objects.select_related("program"), pk=pk)
    form = TagForm(request.POST)
    page = redirect(reverse("admin:members_member_change", args=[pk]) + "#tags")
    if not form.is_valid():
        messages.error(request, _("Write one word, and a day that there is."))
        return page
    word = form.cleaned_data["tag"].strip().lower()
    try:
        told = _act(request.POST.get("act", ""), word, form.cleaned_data["last_day"], member, user)
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return page
    note_change(member, user, told)
    messages.success(request, told)
    return page


def _act(act: str, word: str, last_day: datetime | None, member: Member, user: User) -> str:
    if act == "remove":
        tags.untag(member_id=member.pk, tag=word)
        return _("Tag %(tag)s taken off.") % {"tag": word}
    ends = None
    if last_day is not None:
        # The whole last day of the program's calendar counts.
        zone = ZoneInfo(member.program.timezone)
        ends = datetime.combine(last_day + timedelta(days=1), time(), zone)
    tags.tag(
        member_id=member.pk,
        tag=word,
        actor=f"staff:{user.pk}",
        moment=timezone.now(),
        expires_at=ends,
    )
    return _("Tag %(tag)s put on.") % {"tag": word}
