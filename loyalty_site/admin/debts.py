"""The page of debts that did not move for months, from which staff ask to write them off."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.models import Approval, User
from members.services import write_offs

MONTHS_MAX = 120


def debts_view(request: HttpRequest, each_context: dict[str, Any]) -> HttpResponse:
    """List old debts; a posted one is asked for, and waits for a second person."""
    user = staff_with(request, "members.add_approval")
    asked = request.GET.get("months", "")
    months = min(int(asked), MONTHS_MAX) if asked.isascii() and asked.isdecimal() else 12
    if request.method == "POST":
        return _ask(request, user)
    context = {
        **each_context,
        "opts": Approval._meta,
        "title": _("Old debts"),
        "months": months,
        "debts": write_offs.old_debts(moment=timezone.now(), months=months),
    }
    return TemplateResponse(request, "admin/members/debts.html", context)


def _ask(request: HttpRequest, user: User) -> HttpResponse:
    account = request.POST.get("account", "")
    page = redirect(reverse("admin:members_approval_debts"))
    try:
        approval = write_offs.request(
            account_id=int(account) if account.isascii() and account.isdecimal() else 0,
            by=user,
            why=request.POST.get("why", "").strip()[:500],
            moment=timezone.now(),
        )
    except DomainError as refusal:
        messages.error(request, refusal.detail)
        return page
    messages.warning(request, _("A second person has to approve this; nothing has moved yet."))
    return redirect(reverse("admin:members_approval_change", args=[approval.pk]))
