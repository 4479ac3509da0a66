"""Transfers between members: staff read them, stop them and send them back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from loyalty_site.lib.admin import BooksAdmin
from loyalty_site.lib.errors import DomainError
from members.models import Transfer
from members.services import transfer_ends

ACTS = {
    "pause": transfer_ends.pause,
    "resume": transfer_ends.resume,
    "cancel": transfer_ends.cancel,
}


@admin.register(Transfer)
class TransferAdmin(BooksAdmin[Transfer]):
    """Points on their way from one member to another, and how each transfer ended."""

    list_display = (
        *("public_id", "sender", "recipient", "points", "fee", "currency", "state"),
        *("requested_at", "completes_at", "paused_at"),
    )
    list_filter = ("state", "currency", ("paused_at", admin.EmptyFieldListFilter))
    list_select_related = ("sender", "recipient", "currency", "program")
    search_fields = ("sender__number__exact", "recipient__number__exact", "public_id__exact")
    search_help_text = gettext_lazy("A whole member number, or the id of a transfer.")
    ordering = ("-requested_at", "-pk")
    change_form_outer_before_template = "admin/transfers/transfer_acts.html"

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(require_POST(self.act))
        return [path("<int:pk>/act/", act, name="members_transfer_act"), *super().get_urls()]

    def page_context(self, request: HttpRequest, row: Transfer) -> dict[str, Any]:
        """Return what can be done about the transfer."""
        return {"can_act": request.user.has_perm("members.change_transfer")}

    def act(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Stop, let go on or cancel, for a reason that stands in the transfer's history."""
        if not request.user.has_perm("members.change_transfer"):
            raise PermissionDenied
        found = get_object_or_404(Transfer, pk=pk)
        act, reason = ACTS.get(request.POST.get("act", "")), request.POST.get("reason", "").strip()
        page = redirect(reverse("admin:members_transfer_change", args=[pk]))
        if not reason or act is None:
            messages.error(request, _("Say why: the reason stands in the transfer's history."))
            return page
        actor = f"staff:{request.user.pk}"
        options = {"reason": "by_staff"} if act is transfer_ends.cancel else {}
        try:
            row = act(public_id=found.public_id, actor=actor, moment=timezone.now(), **options)
        except DomainError as refusal:
            messages.error(request, str(refusal))
            return page
        self.log_change(request, row, f"{request.POST['act']}: {reason[:200]}")
        messages.success(request, _("The transfer is %(state)s now.") % {"state": row.state})
        return page
