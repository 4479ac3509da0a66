"""Pairs of members who look like one person: compare, merge, dismiss, and undo a merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST

from loyalty_site.lib.admin import ReadOnlyAdmin, badge
from loyalty_site.lib.errors import DomainError
from members.models import LedgerAccount, Member, MemberMerge, MergeCandidate, TierMembership
from members.queries.lookup import find_member
from members.queries.program import current_program
from members.services import candidates, merging
from rewards.services.merging import merge_members

REASONS = {
    "same_name": gettext_lazy("same name"),
    "near_name": gettext_lazy("nearly the same name"),
    "swapped_name": gettext_lazy("first and last name swapped"),
    "same_birth_date": gettext_lazy("same date of birth"),
    "same_value": gettext_lazy("the same value as card and as another identifier"),
    "same_mailbox": gettext_lazy("the same mailbox"),
    "named_by_staff": gettext_lazy("named by staff"),
}


class MergeForm(forms.Form):
    """How staff want two members to become one."""

    survivor = forms.IntegerField()
    tier = forms.ChoiceField(choices=MemberMerge.KeepTier.choices)
    vouchers = forms.ChoiceField(choices=MemberMerge.Vouchers.choices)
    reason = forms.CharField(max_length=200)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two members as the comparison shows them."""

    member: Member
    identifiers: list[str]
    tier: str
    balances: list[str]
    url: str


@admin.register(MergeCandidate)
class MergeCandidateAdmin(ReadOnlyAdmin[MergeCandidate]):
    """What the nightly search found, the likeliest first."""

    list_display = ("__str__", "score", "why", "status", "found_at")
    list_filter = ("state", "score")
    list_select_related = ("first__program", "second__program", "decided_by")
    search_fields = ("first__number__exact", "second__number__exact")
    search_help_text = gettext_lazy("A whole member number.")
    ordering = ("-score", "pk")
    list_before_template = "admin/merging/name_pair.html"
    change_form_template = "admin/merging/compare.html"

    @admin.display(description=gettext_lazy("what speaks for it"))
    def why(self, pair: MergeCandidate) -> str:
        """Return the reasons in words."""
        return ", ".join(str(REASONS.get(reason, reason)) for reason in pair.reasons)

    @badge(gettext_lazy("state"), open="warning", dismissed="info", merged="success")
    def status(self, pair: MergeCandidate) -> tuple[str, str]:
        """Return what staff made of it."""
        return pair.state, pair.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        def view(act: Any) -> Any:
            return self.admin_site.admin_view(require_POST(act))

        return [
            path("name/", view(self.name_pair), name="members_mergecandidate_name"),
            path("<int:pk>/merge/", view(self.merge), name="members_mergecandidate_merge"),
            path("<int:pk>/dismiss/", view(self.dismiss), name="members_mergecandidate_dismiss"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: MergeCandidate) -> dict[str, Any]:
        """Return the two side by side."""
        return {
            "pair": row,
            "why": self.why(row),
            "sides": [_side(row.first), _side(row.second)],
            "can_merge": request.user.has_perm("members.add_membermerge"),
            "tiers": MemberMerge.KeepTier.choices,
            "voucher_choices": MemberMerge.Vouchers.choices,
        }

    def name_pair(self, request: HttpRequest) -> HttpResponse:
        """Open the comparison of two members whom staff named."""
        _require(request)
        found = [
            find_member(current_program(), request.POST.get(name, ""), timezone.now())
            for name in ("one", "other")
        ]
        one, other = found
        if one is None or other is None or one.pk == other.pk:
            messages.error(request, gettext("Name two different members, by number or identifier."))
            return redirect("admin:members_mergecandidate_changelist")
        pair = candidates.name_pair(one=one, other=other, moment=timezone.now())
        return redirect("admin:members_mergecandidate_change", pair.pk)

    def merge(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Merge the pair as the form says."""
        _require(request)
        pair = get_object_or_404(MergeCandidate, pk=pk)
        page = redirect("admin:members_mergecandidate_change", pk)
        form = MergeForm(request.POST)
        sides = {pair.first_id: pair.second_id, pair.second_id: pair.first_id}
        if not form.is_valid() or form.cleaned_data["survivor"] not in sides:
            messages.error(request, gettext("Choose who stays, and say why."))
            return page
        said = form.cleaned_data
        wanted = merging.Wanted(
            survivor_id=said["survivor"],
            merged_id=sides[said["survivor"]],
            reason=said["reason"],
            tier=said["tier"],
            vouchers=said["vouchers"],
        )
        try:
            done = merge_members(wanted=wanted, by=request.user, moment=timezone.now())  # type: ignore[arg-type]
        except DomainError as refusal:
            messages.error(request, str(refusal) or refusal.title)
            return page
        messages.success(request, gettext("They are one member now."))
        return redirect("admin:members_membermerge_change", done.pk)

    def dismiss(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Note that they are two people."""
        _require(request)
        if candidates.dismiss(pair_id=pk, by=request.user, moment=timezone.now()):  # type: ignore[arg-type]
            messages.success(request, gettext("Noted: they are two people."))
        return redirect("admin:members_mergecandidate_changelist")


@admin.register(MemberMerge)
class MemberMergeAdmin(ReadOnlyAdmin[MemberMerge]):
    """Merges that were made; one can be undone while nothing stands on it."""

    list_display = ("merged", "survivor", "made_at", "made_by", "undone_at")
    list_filter = (("undone_at", admin.EmptyFieldListFilter), "tier", "vouchers")
    list_select_related = ("merged", "survivor", "made_by", "undone_by")
    search_fields = ("merged__number__exact", "survivor__number__exact")
    search_help_text = gettext_lazy("A whole member number.")
    ordering = ("-made_at", "-pk")
    change_form_outer_before_template = "admin/merging/undo.html"

    def get_urls(self) -> list[URLPattern]:
        undo = self.admin_site.admin_view(require_POST(self.undo))
        return [
            path("<int:pk>/undo/", undo, name="members_membermerge_undo"),
            *super().get_urls(),
        ]

    def undo(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the two apart again."""
        _require(request)
        get_object_or_404(MemberMerge, pk=pk)
        try:
            merging.undo(merge_id=pk, by=request.user, moment=timezone.now())  # type: ignore[arg-type]
        except DomainError as refusal:
            messages.error(request, str(refusal) or refusal.title)
        else:
            messages.success(request, gettext("They are two members again."))
        return redirect("admin:members_membermerge_change", pk)


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm("members.add_membermerge"):
        raise PermissionDenied


def _side(member: Member) -> Side:
    identifiers = member.identifiers.order_by("kind", "pk").values_list("kind", "value")
    held = TierMembership.objects.filter(member=member, superseded_at=None, ends_at=None)
    accounts = LedgerAccount.objects.filter(member=member).exclude(balance=0)
    return Side(
        member=member,
        identifiers=[f"{kind} {value}" for kind, value in identifiers],
        tier=", ".join(held.values_list("tier__code", flat=True)),
        balances=[
            f"{abs(balance)} {code} {kind}"
            for code, kind, balance in accounts.order_by("currency__position", "kind").values_list(
                "currency__code", "kind", "balance"
            )
        ],
        url=reverse("admin:members_member_change", args=[member.pk]),
    )
