"""What staff do with points by hand: the list of acts, and agreeing to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from loyalty_site.admin.debts import debts_view
from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin, TypedModelAdmin, badge
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.languages import pick
from loyalty_site.lib.localized import LocalizedField, asked_languages
from members.admin.staff import staff_with
from members.models import (
    Adjustment,
    AdjustmentReason,
    Approval,
    ApprovalPolicy,
    Evidence,
    StaffDay,
    User,
)
from members.services import adjustments, approvals
from members.services.approvals import ACTS

if TYPE_CHECKING:
    _ReasonForm = forms.ModelForm[AdjustmentReason]
else:
    _ReasonForm = forms.ModelForm

BY_MEMBER = gettext_lazy("A whole member number.")


@admin.register(Approval)
class ApprovalAdmin(BooksAdmin[Approval]):
    """Acts of staff upon points; whoever did not ask for one agrees to it here."""

    list_display = (
        *("act_label", "member", "signed_points", "currency", "standing"),
        *("requested_by", "requested_at", "decided_by"),
    )
    list_filter = ("state", "act", "is_credit")
    list_select_related = (
        *("member", "currency", "program", "requested_by", "decided_by", "reversed_by"),
        *("evidence", "adjustment__reason", "adjustment__transaction"),
        *("reinstatement__reason", "reinstatement__transaction"),
    )
    search_fields = ("public_id__exact", "member__number__exact")
    search_help_text = gettext_lazy("A whole member number, or the id of an act.")
    ordering = ("-requested_at", "-pk")
    list_before_template = "admin/members/approvals_note.html"
    change_form_outer_before_template = "admin/members/approval_acts.html"

    @admin.display(description=gettext_lazy("act"))
    def act_label(self, approval: Approval) -> str:
        """Return what staff call the act."""
        return ACTS.label(approval.act)

    @admin.display(description=gettext_lazy("points"))
    def signed_points(self, approval: Approval) -> str:
        """Return the points with the direction in which they go."""
        return f"{approval.points if approval.is_credit else -approval.points:+,}"

    @badge(
        gettext_lazy("state"),
        requested="warning",
        approved="info",
        posted="success",
        rejected="danger",
        reversed="danger",
    )
    def standing(self, approval: Approval) -> tuple[str, str]:
        """Return how far the act is, colored."""
        return approval.state, approval.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(require_POST(self.decide))
        evidence = self.admin_site.admin_view(require_safe(self.evidence))
        return [
            path("debts/", self.admin_site.admin_view(self.debts), name="members_approval_debts"),
            path("<int:pk>/decide/", decide, name="members_approval_decide"),
            path("<int:pk>/evidence/", evidence, name="members_approval_evidence"),
            *super().get_urls(),
        ]

    def debts(self, request: HttpRequest) -> HttpResponse:
        """List debts that could be written off."""
        return debts_view(request, self.admin_site.each_context(request))

    def page_context(self, request: HttpRequest, row: Approval) -> dict[str, Any]:
        """Return what the person may do about the act."""
        adjustment = getattr(row, "adjustment", None)
        told = adjustment or getattr(row, "reinstatement", None)
        is_asker = row.requested_by_id == request.user.pk
        may_decide = request.user.has_perm("members.change_approval")
        return {
            "approval": row,
            "act_label": ACTS.label(row.act),
            "told": told,
            "reason": _text(told.reason) if told else "",
            "evidence": getattr(row, "evidence", None),
            "may_approve": may_decide and not is_asker,
            "may_reject": may_decide or is_asker,
            "may_reverse": may_decide and adjustment is not None,
        }

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Approve, reject or reverse, whatever the button says."""
        approval = Approval.objects.filter(pk=pk).first()
        if approval is None:
            raise Http404
        user, step = staff_with(request), request.POST.get("step", "")
        is_own = step == "reject" and approval.requested_by_id == user.pk
        if not (is_own or user.has_perm("members.change_approval")):
            raise PermissionDenied
        page = redirect(reverse("admin:members_approval_change", args=[pk]))
        answer = request.POST.get("answer", "").strip()[:500]
        try:
            done = _take_step(approval, step, user, answer, request.POST.get("missing", "leave"))
        except DomainError as refusal:
            messages.error(request, refusal.detail)
            return page
        self.log_change(request, approval, f"{done} {answer}".strip())
        messages.success(request, done)
        return page

    def evidence(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hand the file out as a download; a browser never shows it as a page of this site."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = Evidence.objects.filter(approval_id=pk).first()
        if found is None:
            raise Http404
        answer = HttpResponse(bytes(found.content), content_type=found.content_type)
        answer["Content-Disposition"] = f'attachment; filename="evidence-{pk}.{_ending(found)}"'
        answer["Content-Security-Policy"] = "sandbox"
        answer["Cache-Control"] = "no-store"
        return answer


def _take_step(approval: Approval, step: str, user: User, answer: str, missing: str) -> str:
    moment = timezone.now()
    if step == "approve":
        approvals.approve(approval_id=approval.pk, by=user, moment=moment)
        return _("Approved.")
    if step == "reject":
        approvals.reject(approval_id=approval.pk, by=user, answer=answer, moment=moment)
        return _("Rejected.")
    if step == "reverse" and approval.act == adjustments.ACT:
        undone = adjustments.reverse(
            approval_id=approval.pk,
            by=user,
            missing="debt" if missing == "debt" else "leave",
            moment=moment,
        )
        kept = undone.kept_points or 0
        return _("Reversed; %(kept)s points were not there any more.") % {"kept": kept}
    raise Http404


def _ending(evidence: Evidence) -> str:
    return evidence.content_type.rpartition("/")[2]


def _text(reason: AdjustmentReason) -> str:
    return pick(reason.text, [get_language() or "", "en"], reason.code)


class ReasonForm(_ReasonForm):
    """A reason with its text in each language."""

    text = LocalizedField(max_length=200)

    class Meta:
        model = AdjustmentReason
        fields = ("code", "direction", "text", "is_retired")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        spoken = asked_languages(self.instance.text or {})
        self.fields["text"] = LocalizedField(max_length=200, languages=spoken)


@admin.register(AdjustmentReason)
class AdjustmentReasonAdmin(TypedModelAdmin[AdjustmentReason]):
    """Why points are adjusted; one that is used is retired instead of deleted."""

    form = ReasonForm
    list_display = ("code", "direction", "shown_text", "is_retired")
    list_filter = ("direction", "is_retired")
    search_fields = ("code",)
    ordering = ("is_retired", "code")
    actions = None

    @admin.display(description=gettext_lazy("text for members"))
    def shown_text(self, reason: AdjustmentReason) -> str:
        """Return the text in the language of the page."""
        return _text(reason)

    def get_readonly_fields(
        self, request: HttpRequest, obj: AdjustmentReason | None = None
    ) -> tuple[str, ...]:
        """Keep the code, which the books name."""
        return ("code",) if obj else ()

    def has_delete_permission(
        self, request: HttpRequest, obj: AdjustmentReason | None = None
    ) -> bool:
        return False


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(TypedModelAdmin[ApprovalPolicy]):
    """What one person may do alone; whoever could set it could give points away alone."""

    list_display = ("currency", "points_alone", "points_daily")
    list_filter = ("currency",)
    list_select_related = ("currency",)
    search_fields = ("currency__code",)
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_change_permission(
        self, request: HttpRequest, obj: ApprovalPolicy | None = None
    ) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(
        self, request: HttpRequest, obj: ApprovalPolicy | None = None
    ) -> bool:
        return False


@admin.register(Adjustment)
class AdjustmentAdmin(BooksAdmin[Adjustment]):
    """What was given and taken by hand, with its transactions."""

    list_display = ("approval", "reason", "moved_points", "kept_points", "transaction", "reversal")
    list_filter = ("reason",)
    list_select_related = ("approval", "reason", "transaction", "reversal")
    search_fields = ("approval__public_id__exact", "approval__member__number__exact")
    search_help_text = BY_MEMBER


@admin.register(Evidence)
class EvidenceAdmin(ReadOnlyAdmin[Evidence]):
    """Files of acts; the page of the act hands them out."""

    list_display = ("name", "approval", "content_type", "size", "added_at")
    list_filter = ("content_type",)
    list_select_related = ("approval",)
    search_fields = ("name", "approval__public_id__exact")


@admin.register(StaffDay)
class StaffDayAdmin(ReadOnlyAdmin[StaffDay]):
    """How much of what they may do alone staff have used on a day."""

    list_display = ("user", "currency", "day", "points", "points_max")
    list_filter = ("currency",)
    list_select_related = ("user", "currency")
    search_fields = ("user__email__startswith",)
    ordering = ("-day", "-pk")
