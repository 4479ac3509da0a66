"""Receipts whose points members miss: staff find the purchase, or say why not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from campaigns.models import ClaimCase
from campaigns.queries.missing import Receipt, candidates
from campaigns.services import missing
from loyalty_site.lib.admin import BooksAdmin, badge
from loyalty_site.lib.errors import DomainError


@admin.register(ClaimCase)
class ClaimCaseAdmin(BooksAdmin[ClaimCase]):
    """What members said of receipts, and what staff made of it."""

    list_display = ("receipt", "day", "total", "member", "standing", "made_at", "decided_at")
    list_filter = ("state",)
    list_select_related = ("member", "program")
    search_fields = ("receipt__exact", "member__number__exact", "public_id__exact")
    search_help_text = gettext_lazy("A whole receipt or member number, or the id of a case.")
    ordering = ("-made_at", "-pk")
    change_form_outer_before_template = "admin/claims/claim_acts.html"

    @badge(gettext_lazy("state"), open="warning", granted="success", refused="danger")
    def standing(self, case: ClaimCase) -> tuple[str, str]:
        """Return the state, colored."""
        return case.state, case.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        act = self.admin_site.admin_view(require_POST(self.act))
        return [path("<int:pk>/act/", act, name="campaigns_claimcase_act"), *super().get_urls()]

    def page_context(self, request: HttpRequest, row: ClaimCase) -> dict[str, Any]:
        """Return the purchases that the case may mean."""
        is_open = row.state == ClaimCase.State.OPEN
        receipt = Receipt(row.receipt, row.day, row.total)
        return {
            "can_act": request.user.has_perm("campaigns.change_claimcase"),
            "candidates": candidates(row.member, receipt) if is_open else [],
        }

    def act(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the member the purchase, or refuse with an answer."""
        if not request.user.has_perm("campaigns.change_claimcase"):
            raise PermissionDenied
        case = get_object_or_404(ClaimCase, pk=pk)
        page = redirect(reverse("admin:campaigns_claimcase_change", args=[pk]))
        try:
            said = _decide(request, case)
        except DomainError as refusal:
            messages.error(request, str(refusal))
            return page
        if said:
            self.log_change(request, case, said)
            messages.success(request, _("The case is decided."))
        else:
            messages.error(request, _("Choose a purchase, or say why there is none."))
        return page


def _decide(request: HttpRequest, case: ClaimCase) -> str:
    """Return what was done, empty where the form said nothing that can be done."""
    user: Any = request.user
    moment = timezone.now()
    if request.POST.get("act") == "refuse":
        answer = request.POST.get("answer", "").strip()
        if not answer:
            return ""
        missing.refuse(case_id=case.pk, answer=answer, by=user, moment=moment)
        return "refused"
    try:
        purchase = UUID(request.POST.get("purchase", ""))
    except ValueError:
        return ""
    missing.grant(case_id=case.pk, purchase=purchase, by=user, moment=moment)
    return f"granted {purchase}"
