"""Campaigns in the admin: what runs, what it says and costs, and the steps of its life."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max, OuterRef, Prefetch, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns import comparing, lifecycle
from campaigns.admin.rules import with_versions
from campaigns.earning.results import MONEY
from campaigns.lifecycle import State, Who
from campaigns.models import (
    AnnouncedChange,
    Campaign,
    CampaignDraft,
    CampaignPolicy,
    CampaignStep,
    CampaignVersion,
    EarningRule,
    LimitCounter,
)
from campaigns.services import drafts
from campaigns.services.campaign_rows import OPEN_DRAFTS, CampaignStepRefused
from campaigns.services.program import live_document
from loyalty_site.admin.campaign_roles import DANGERS, STEPS, TAKEN, roles_of, steps_for
from loyalty_site.lib.admin import ReadOnlyAdmin, TypedModelAdmin, badge, life
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.languages import pick
from members.admin.staff import staff_with
from members.models import User

COLORS = {
    "active": "success",
    "paused": "warning",
    "in_review": "warning",
    "scheduled": "info",
    "ended": "danger",
}


def _used() -> Subquery:
    # The counter of money counts in ten-thousandths, which are no points.
    budget = LimitCounter.objects.filter(
        program=OuterRef("program"), scope="campaign", code=OuterRef("code"), period="lifetime"
    ).exclude(currency=MONEY)
    return Subquery(budget.order_by().values("code").annotate(most=Max("points")).values("most"))


@admin.register(Campaign)
class CampaignAdmin(ReadOnlyAdmin[Campaign]):
    """Promotions with their state, window, budget and what they say."""

    list_display = ("code", "title", "state", "starts_at", "ends_at", "budget", "says", life)
    list_display_links = ("code", "title")
    list_filter = ("status", "is_retired")
    list_select_related = ("program",)
    search_fields = ("code", "name")
    ordering = ("is_retired", "-starts_at", "code")
    list_before_template = "admin/campaigns/campaign_list.html"
    change_form_outer_before_template = "admin/campaigns/campaign_page.html"
    hidden = ("public_id", "program", "name")

    @admin.display(description=gettext_lazy("name"))
    def title(self, campaign: Campaign) -> str:
        """Return the name in the language of the page."""
        return named(campaign)

    @badge(gettext_lazy("status"), **COLORS)
    def state(self, campaign: Campaign) -> tuple[str, str]:
        """Return the status, colored."""
        return campaign.status, campaign.get_status_display()

    @admin.display(description=gettext_lazy("budget left"))
    def budget(self, campaign: Campaign) -> str:
        """Return what is left of the budget, of how much."""
        return budget_of(campaign)

    @admin.display(description=gettext_lazy("what it says"))
    def says(self, campaign: Campaign) -> str:
        """Return its rules as sentences; of a draft, what it is going to say."""
        opened = campaign.drafts.all()
        if campaign.status in lifecycle.UNPUBLISHED and opened:
            return " ".join(comparing.sentences(opened[0].body))
        newest = [next(iter(rule.versions.all()), None) for rule in campaign.rules.all()]
        bodies = [version.definition for version in newest if version is not None]
        return " ".join(comparing.sentences({"rules": bodies})) or "-"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        rows = super().get_queryset(request).annotate(used_points=_used())
        # The page of one campaign says what it gives from the live document.
        found = request.resolver_match
        if found is None or found.url_name != "campaigns_campaign_changelist":
            return rows
        live = with_versions(EarningRule.objects.filter(is_retired=False).order_by("pk"))
        opened = CampaignDraft.objects.filter(OPEN_DRAFTS).select_related("author", "edited_by")
        return rows.prefetch_related(Prefetch("rules", live), Prefetch("drafts", opened))

    def get_urls(self) -> list[URLPattern]:
        step = self.admin_site.admin_view(require_POST(self.step))
        revise = self.admin_site.admin_view(require_POST(self.revise))
        return [
            path("<int:pk>/step/", step, name="campaigns_campaign_step"),
            path("<int:pk>/revise/", revise, name="campaigns_campaign_revise"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: Campaign) -> dict[str, Any]:
        """Return the campaign's life, and the steps that the person may take now."""
        return _page_context(row, staff_with(request))

    def step(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the step that the button names."""
        campaign, user = _campaign(pk), staff_with(request)
        name, note = request.POST.get("step", ""), request.POST.get("note", "").strip()
        draft = drafts.open_draft(campaign)
        page = redirect(reverse("admin:campaigns_campaign_change", args=[pk]))
        if name not in STEPS or not roles_of(user) & lifecycle.BY_NAME[name].who:
            raise PermissionDenied
        try:
            _take(campaign, draft, name, user, note)
        except DomainError as refusal:
            messages.error(request, f"{refusal.title}: {refusal.detail}")
            return page
        self.log_change(request, campaign, f"{TAKEN[name]} {note}".strip())
        messages.success(request, _("Done: %(step)s.") % {"step": TAKEN[name]})
        return page

    def revise(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Begin a change of the campaign, from what is live or from an old version."""
        campaign, user = _campaign(pk), staff_with(request)
        if Who.AUTHOR not in roles_of(user):
            raise PermissionDenied
        version = _version(campaign, request.POST.get("version", ""))
        page = redirect(reverse("admin:campaigns_campaign_change", args=[pk]))
        try:
            draft = drafts.revise(campaign=campaign, by=user, moment=timezone.now(), source=version)
        except DomainError as refusal:
            messages.error(request, f"{refusal.title}: {refusal.detail}")
            return page
        if version is not None:
            messages.info(request, _("This is version %(number)s again. Start it to go back."))
            return page
        return redirect(reverse("admin:campaigns_campaigndraft_edit", args=[draft.pk]))


def named(campaign: Campaign) -> str:
    """Return the campaign's name in the language of the page."""
    return pick(campaign.name, [get_language() or "", campaign.program.locale], campaign.code)


def budget_of(campaign: Campaign) -> str:
    """Return what is left of a budget, of how much; a dash without one."""
    if campaign.budget_points is None:
        return _without_points(campaign)
    used = getattr(campaign, "used_points", None) or 0
    return _("%(left)s of %(all)s points") % {
        "left": f"{campaign.budget_points - used:,}",
        "all": f"{campaign.budget_points:,}",
    }


def _without_points(campaign: Campaign) -> str:
    """Return the other budgets, of which the counters tell what is left."""
    told = [
        (campaign.budget_money, _("%(all)s of money")),
        (campaign.budget_uses, _("%(all)s uses")),
    ]
    found = [text % {"all": f"{figure:,}"} for figure, text in told if figure is not None]
    return ", ".join(found) or "-"


def _campaign(pk: int) -> Campaign:
    campaign = Campaign.objects.select_related("program").filter(pk=pk).first()
    if campaign is None:
        raise Http404
    return campaign


def _version(campaign: Campaign, number: str) -> CampaignVersion | None:
    if not number:
        return None
    found = campaign.versions.filter(number=number).first() if number.isdecimal() else None
    if found is None:
        raise Http404
    return found


def _take(
    campaign: Campaign, draft: CampaignDraft | None, name: str, user: User, note: str
) -> None:
    moment = timezone.now()
    if name in drafts.SAID:
        drafts.take_step(campaign=campaign, step=name, by=user, moment=moment, note=note)
        return
    if draft is None:
        raise CampaignStepRefused(_("Nobody writes at this campaign."))
    if name == "approve":
        drafts.approve(draft_id=draft.pk, by=user, moment=moment, answer=note)
    elif name in ("send_back", "take_back"):
        if name == "take_back" and user.pk not in (draft.author_id, draft.edited_by_id):
            raise PermissionDenied
        drafts.send_back(draft_id=draft.pk, by=user, moment=moment, answer=note)
    else:
        act = {"submit": drafts.submit, "start": drafts.start, "discard": drafts.discard}[name]
        act(draft_id=draft.pk, by=user, moment=moment)


def _page_context(campaign: Campaign, user: User) -> dict[str, Any]:
    """Return what the page of a campaign shows."""
    opened = campaign.drafts.filter(OPEN_DRAFTS).select_related("author", "edited_by")
    draft = opened.first()
    live = live_document() or {}
    rows = live.get("campaigns") or ()
    now = next((each for each in rows if each["code"] == campaign.code), None)
    body = draft.body if now is None and draft is not None else now
    steps = campaign.steps.select_related("user").order_by("-taken_at", "-pk")[:50]
    return {
        "campaign": campaign,
        "campaign_name": named(campaign),
        "campaign_budget": budget_of(campaign),
        "sentences": comparing.sentences(body or {}),
        "draft": draft,
        "may_start_alone": draft is not None and drafts.may_start_alone(draft),
        "difference": _difference(draft, now),
        "conflicts": drafts.rebased(draft, now).conflicts if draft else (),
        "life": [(step, TAKEN.get(step.name, step.name)) for step in steps],
        "versions": list(campaign.versions.order_by("-number")[:20]),
        "acts": [(name, STEPS[name], name in DANGERS) for name in steps_for(campaign, draft, user)],
        "may_write": Who.AUTHOR in roles_of(user),
        "may_revise": draft is None
        and now is not None
        and campaign.status not in (State.ARCHIVED, *lifecycle.UNPUBLISHED),
    }


def _difference(draft: CampaignDraft | None, now: dict[str, Any] | None) -> list[comparing.Line]:
    if draft is None:
        return []
    merged = drafts.rebased(draft, now)
    after = draft.body if merged.conflicts else merged.body
    return comparing.lines(comparing.written(now) if now else None, after)


@admin.register(CampaignVersion)
class CampaignVersionAdmin(ReadOnlyAdmin[CampaignVersion]):
    """What campaigns were from when they were published; never changed."""

    list_display = ("campaign", "number", "says", "published_at", "actor")
    list_filter = ("campaign",)
    list_select_related = ("campaign",)
    search_fields = ("campaign__code",)
    readonly_fields = ("says",)
    ordering = ("-published_at", "-pk")

    @admin.display(description=gettext_lazy("what it says"))
    def says(self, version: CampaignVersion) -> str:
        """Return the rules as sentences."""
        return " ".join(comparing.sentences(version.body))


@admin.register(CampaignStep)
class CampaignStepAdmin(ReadOnlyAdmin[CampaignStep]):
    """Who did what with campaigns, and when."""

    list_display = ("campaign", "name", "before", "after", "user", "actor", "taken_at", "note")
    list_filter = ("name",)
    list_select_related = ("campaign", "user", "version")
    search_fields = ("campaign__code",)
    ordering = ("-taken_at", "-pk")


@admin.register(CampaignPolicy)
class CampaignPolicyAdmin(TypedModelAdmin[CampaignPolicy]):
    """What one person may start alone; whoever could set it could start anything alone."""

    list_display = ("program", "budget_points_alone")
    list_filter = ("program",)
    list_select_related = ("program",)
    search_fields = ("program__code",)
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(AnnouncedChange)
class AnnouncedChangeAdmin(ReadOnlyAdmin[AnnouncedChange]):
    """Changes that make points worth less, with the day from which they hold."""

    list_display = ("kind", "code", "before", "after", "announced_at", "effective_at", "standing")
    list_filter = ("kind",)
    list_select_related = ("program",)
    search_fields = ("code", "path")
    ordering = ("-effective_at", "-pk")

    @badge(gettext_lazy("state"), announced="warning", taken="success", withdrawn="danger")
    def standing(self, change: AnnouncedChange) -> tuple[str, str]:
        """Return whether it holds."""
        if change.withdrawn_at:
            return "withdrawn", _("withdrawn")
        return ("taken", _("holds")) if change.taken_at else ("announced", _("announced"))
