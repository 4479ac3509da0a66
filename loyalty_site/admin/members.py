"""One member on one page, from all the apps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns.queries.receipts import receipts_for
from loyalty_site.admin.adjusting import adjust_view
from loyalty_site.admin.birthdays import birth_date_view
from loyalty_site.admin.orders import order_view
from loyalty_site.admin.reinstating import reinstate_view
from loyalty_site.admin.tagging import tag_view
from loyalty_site.lib.admin import ReadOnlyAdmin, badge
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.languages import pick
from members.models import LedgerAccount, Member, Purchase, Tier, TierMembership
from members.queries.balances import Balance, balance_now
from members.queries.dossier import Dossier, HeldCurrency, TierStay, dossier
from members.queries.expired import expiries_of
from members.queries.statement import StatementRow, statement_rows
from members.services import status
from rewards.models import Redemption
from rewards.queries.redemptions import codes_of, state_at

# What of each kind stands on the page; the rest is one click away.
SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Movement:
    """A line of the statement with its reasons; ``cause`` is where it came from."""

    row: StatementRow
    url: str
    cause: str
    cause_url: str
    receipt: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A redemption as it stands now."""

    row: Redemption
    state: str
    name: str


class TierFilter(admin.SimpleListFilter):
    """Members by the tier that they are on."""

    title = gettext_lazy("tier")
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the rungs, the lowest first."""
        rungs = Tier.objects.order_by("threshold", "pk").values_list("code", "name")
        return [(code, pick(name, [get_language() or ""], code)) for code, name in rungs]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Member]) -> QuerySet[Member]:
        """Return those on the chosen rung."""
        if not self.value():
            return queryset
        stays = TierMembership.objects.filter(
            member=OuterRef("pk"), superseded_at=None, ends_at=None, tier__code=self.value()
        )
        return queryset.filter(Exists(stays))


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin[Member]):
    """Members; what the list shows of others' rows is read with it."""

    list_display = ("number", "display_name", "tier", "points", "state", "enrolled_at")
    list_display_links = ("number", "display_name")
    list_filter = ("status", TierFilter, ("user", admin.EmptyFieldListFilter))
    list_select_related = ("user", "program")
    list_per_page = 50
    search_fields = (
        *("number__exact", "identifiers__value__startswith"),
        *("first_name__istartswith", "last_name__istartswith"),
    )
    search_help_text = gettext_lazy(
        "A whole member number, or the beginning of a name or of an identifier."
    )
    ordering = ("-enrolled_at", "-pk")

    @admin.display(description=gettext_lazy("tier"))
    def tier(self, member: Member) -> str:
        """Return the rung that the member is on."""
        stays = list(member.tier_memberships.all())
        languages = [get_language() or "", member.program.locale]
        return pick(stays[0].tier.name, languages, stays[0].tier.code) if stays else "-"

    @admin.display(description=gettext_lazy("available points"))
    def points(self, member: Member) -> int:
        """Return what was posted as available of the first redeemable currency."""
        return next((account.balance for account in member.accounts.all()), 0)

    @badge(gettext_lazy("status"), active="success", suspended="warning", erased="danger")
    def state(self, member: Member) -> tuple[str, str]:
        """Return the status, colored."""
        return member.status, member.get_status_display()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Member]:
        """Read tiers and balances of the page's members with one query each."""
        stays = TierMembership.objects.filter(superseded_at=None, ends_at=None)
        accounts = LedgerAccount.objects.filter(kind="available", currency__kind="redeemable")
        return (
            super()
            .get_queryset(request)
            # The row of a pool is nobody.
            .exclude(status=Member.Status.POOL)
            .prefetch_related(
                Prefetch("tier_memberships", stays.select_related("tier").order_by("-starts_at")),
                Prefetch("accounts", accounts.order_by("currency__position", "pk")),
            )
        )

    def get_urls(self) -> list[URLPattern]:
        change = self.admin_site.admin_view(require_POST(self.change_status))
        adjust = self.admin_site.admin_view(self.adjust_points)
        order = self.admin_site.admin_view(self.order_points)
        tags = self.admin_site.admin_view(require_POST(self.change_tags))
        born = self.admin_site.admin_view(require_POST(self.correct_birth_date))
        return [
            path("<int:pk>/status/", change, name="members_member_status"),
            path("<int:pk>/adjust/", adjust, name="members_member_adjust"),
            path("<int:pk>/order/", order, name="members_member_order"),
            path("<int:pk>/tags/", tags, name="members_member_tags"),
            path("<int:pk>/birth-date/", born, name="members_member_birth_date"),
            path(
                "<int:pk>/reinstate/<int:expiry>/",
                self.admin_site.admin_view(self.reinstate_points),
                name="members_member_reinstate",
            ),
            *super().get_urls(),
        ]

    def change_tags(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Put a tag on the member, or take one off."""
        return tag_view(request, pk)

    def correct_birth_date(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Set the member's date of birth anew."""
        return birth_date_view(request, pk)

    def order_points(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Record points that the member paid for."""
        return order_view(request, pk, self.admin_site.each_context(request))

    def adjust_points(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give the member points, or take some."""
        return adjust_view(request, pk, self.admin_site.each_context(request))

    def reinstate_points(self, request: HttpRequest, pk: int, expiry: int) -> HttpResponse:
        """Give points back that expired."""
        return reinstate_view(request, pk, expiry, self.admin_site.each_context(request))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the member's page; it has no form of its own that could be posted."""
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        rows = Member.objects.exclude(status=Member.Status.POOL).select_related("user", "program")
        member = rows.filter(pk=object_id).first() if object_id.isdecimal() else None
        if member is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": member,
            "title": member.display_name,
            "is_popup": IS_POPUP_VAR in request.GET,
            "can_adjust": request.user.has_perm("members.add_approval"),
            "can_tag": request.user.has_perm("members.add_membertag"),
            "can_change_status": request.user.has_perm("members.change_member"),
            **page_of(member, request.GET.get("currency"), timezone.now()),
        }
        return TemplateResponse(request, "admin/members/member_page.html", context)

    def change_status(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Suspend or reactivate, for a reason that stands in the member's history."""
        if not request.user.has_perm("members.change_member"):
            raise PermissionDenied
        reason = request.POST.get("reason", "").strip()[:200]
        act = status.suspend if request.POST.get("act") == "suspend" else status.reactivate
        page = redirect(reverse("admin:members_member_change", args=[pk]))
        if not reason:
            messages.error(request, _("Say why: the reason stands in the member's history."))
            return page
        try:
            member = act(member_id=pk, moment=timezone.now())
        except (DomainError, Member.DoesNotExist) as refusal:
            messages.error(request, str(refusal) or _("That cannot be done now."))
            return page
        self.log_change(request, member, f"{member.get_status_display()}: {reason}")
        messages.success(request, _("The member is %(status)s now.") % {"status": member.status})
        return page


def page_of(member: Member, currency: str | None, now: datetime) -> dict[str, Any]:
    """Return everything that the member's page shows, read at the moment."""
    held = dossier(member_id=member.pk, limit=SHOWN_MAX, moment=now)
    chosen = _chosen(held, currency)
    redemptions = codes_of(member=member, limit=SHOWN_MAX)
    names = {row.public_id: _name(member, row.reward.name, row.reward.code) for row in redemptions}
    movements = _movements(member, chosen, names) if chosen else []
    return {
        "member": member,
        "now": now,
        "held": held,
        "balances": _balances(member, held, now),
        "standing": next((stay for stay in held.tiers if stay.superseded_at is None), None),
        "tiers": [(_name(member, stay.names, stay.tier), stay, _why(stay)) for stay in held.tiers],
        "chosen": chosen,
        "movements": movements,
        "expiries": expiries_of(member_id=member.pk, limit=SHOWN_MAX),
        "purchases": Purchase.objects.filter(member__in=member.rows).order_by(
            "-occurred_at", "-pk"
        )[:SHOWN_MAX],
        "redemptions": [
            Exchange(row, state_at(row, now), names[row.public_id]) for row in redemptions
        ],
        "shown_max": SHOWN_MAX,
    }


def _chosen(held: Dossier, code: str | None) -> HeldCurrency | None:
    """Return the currency whose statement is shown: the one asked for, or the first."""
    by_code = {currency.code: currency for currency in held.currencies}
    redeemable = [each for each in held.currencies if each.kind == "redeemable"]
    return by_code.get(code or "") or next(iter([*redeemable, *held.currencies]), None)


def _balances(member: Member, held: Dossier, now: datetime) -> list[Balance]:
    codes = [each.code for each in held.currencies if each.kind == "redeemable"]
    found = [balance_now(member=member.public_id, moment=now, currency=code) for code in codes]
    return [balance for balance in found if balance is not None]


def _movements(member: Member, currency: HeldCurrency, rewards: dict[UUID, str]) -> list[Movement]:
    rows = statement_rows(
        member_id=member.pk, currency_id=currency.id, after=None, before=None, limit=SHOWN_MAX
    )
    receipts = receipts_for([row.id for row in rows], get_language() or member.program.locale)
    return [
        Movement(
            row=row,
            url=reverse("admin:members_ledgertransaction_change", args=[row.id]),
            cause=_cause(row, rewards),
            cause_url=_cause_url(row),
            receipt=receipts.get(row.id, []),
        )
        for row in rows
    ]


def _cause(row: StatementRow, rewards: dict[UUID, str]) -> str:
    if row.source_external_id is not None:
        return f"{row.source} {row.source_external_id}"
    if row.source == "redemption":
        named = {str(public_id): name for public_id, name in rewards.items()}
        return named.get(row.reference, row.source)
    return _("paid order") if row.source == "points_order" else row.source


def _cause_url(row: StatementRow) -> str:
    if row.source_external_id is None or row.source not in {"purchase", "return"}:
        return ""
    return f"{reverse(f'admin:members_{row.source}_changelist')}?q={row.source_external_id}"


def _name(member: Member, names: Any, otherwise: str) -> str:
    return pick(names, [get_language() or "", member.program.locale], otherwise)


def _why(stay: TierStay) -> str:
    """Return the evidence of a decision as a sentence."""
    found = stay.evidence
    if not found.get("window_from"):
        return str(found.get("cause", ""))
    return _("%(cause)s: %(value)s of %(threshold)s points from %(start)s to %(end)s") % {
        "cause": found.get("cause", ""),
        "value": found["value"],
        "threshold": found.get("threshold", ""),
        "start": str(found.get("window_from", ""))[:10],
        "end": str(found.get("window_to", ""))[:10],
    }
