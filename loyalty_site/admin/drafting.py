"""Writing campaigns in the admin: their fields as a form, their rules as text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import comparing
from campaigns.lifecycle import Who
from campaigns.models import Campaign, CampaignDraft
from campaigns.programfile import Problem, ProgramFileError
from campaigns.programfile.single import campaign_text, read_campaign
from campaigns.services import drafts
from loyalty_site.admin.campaign_roles import roles_of
from loyalty_site.admin.campaigning import named
from loyalty_site.lib.admin import ReadOnlyAdmin, badge
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.localized import LocalizedField, asked_languages
from members.admin.staff import staff_with

WEEKDAYS: Final = (
    ("MO", gettext_lazy("Monday")),
    ("TU", gettext_lazy("Tuesday")),
    ("WE", gettext_lazy("Wednesday")),
    ("TH", gettext_lazy("Thursday")),
    ("FR", gettext_lazy("Friday")),
    ("SA", gettext_lazy("Saturday")),
    ("SU", gettext_lazy("Sunday")),
)
WEEKLY: Final = "FREQ=WEEKLY;BYDAY="


def moment_field(label: Any, *, required: bool = False) -> forms.DateTimeField:
    """Return a field for a moment in the program's time zone."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(
        label=label,
        required=required,
        widget=widget,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )


class DraftForm(forms.Form):
    """What staff say of a campaign without its rules."""

    name = LocalizedField(max_length=200)
    description = LocalizedField(required=False, max_length=2000)
    goal = forms.CharField(
        label=gettext_lazy("Goal, for colleagues"), max_length=200, required=False
    )
    starts_at = moment_field(gettext_lazy("Starts"))
    ends_at = moment_field(gettext_lazy("Ends"))
    budget_points = forms.IntegerField(
        label=gettext_lazy("Budget in points; empty is without a limit"),
        min_value=0,
        required=False,
    )
    weekdays = forms.MultipleChoiceField(
        label=gettext_lazy("Only on"),
        choices=WEEKDAYS,
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    rrule = forms.CharField(
        label=gettext_lazy("Or on days of a recurrence rule (RFC 5545)"),
        max_length=300,
        required=False,
    )
    from_time = forms.TimeField(
        label=gettext_lazy("From"),
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("For so many minutes"), min_value=1, required=False
    )

    def __init__(self, *args: Any, texts: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ask("name", _("Name"), texts, max_length=200, required=True)
        self._ask("description", _("Description, for members"), texts, max_length=2000)

    def _ask(
        self,
        name: str,
        label: str,
        texts: Mapping[str, Any],
        *,
        max_length: int,
        required: bool = False,
    ) -> None:
        spoken = asked_languages(texts.get(name) or {})
        field = LocalizedField(max_length=max_length, languages=spoken, required=required)
        field.label = label
        self.fields[name] = field

    def clean(self) -> dict[str, Any]:
        """Refuse an end before the beginning, and hours without days."""
        told: dict[str, Any] = super().clean() or {}
        if told.get("starts_at") and told.get("ends_at") and told["ends_at"] <= told["starts_at"]:
            self.add_error("ends_at", _("The end comes after the beginning."))
        if told.get("weekdays") and told.get("rrule"):
            self.add_error("rrule", _("Choose days or write a rule, not both."))
        has_days = bool(told.get("weekdays") or told.get("rrule"))
        if (told.get("from_time") or told.get("minutes")) and not has_days:
            self.add_error("weekdays", _("On which days?"))
        return told


def said(body: Mapping[str, Any], goal: str) -> dict[str, Any]:
    """Return what the form begins with."""
    hours = body.get("schedule") or {}
    rrule = hours.get("rrule") or ""
    days = rrule.removeprefix(WEEKLY).split(",") if rrule.startswith(WEEKLY) else []
    is_weekly = bool(days) and set(days) <= {code for code, _name in WEEKDAYS}
    return {
        "name": body["name"],
        "description": body.get("description") or {},
        "goal": goal,
        "starts_at": _moment(body["starts_at"]),
        "ends_at": _moment(body["ends_at"]),
        "budget_points": body["budget_points"],
        "weekdays": days if is_weekly else [],
        "rrule": "" if is_weekly else rrule,
        "from_time": hours.get("starts"),
        "minutes": hours.get("minutes"),
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def changed(body: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the campaign with what the form says."""
    return {
        **body,
        "name": _texts(told["name"]),
        "description": _texts(told["description"]),
        "starts_at": told["starts_at"].isoformat() if told["starts_at"] else None,
        "ends_at": told["ends_at"].isoformat() if told["ends_at"] else None,
        "budget_points": told["budget_points"],
        "schedule": _schedule(body.get("schedule"), told),
    }


def _texts(told: Mapping[str, str] | None) -> dict[str, str]:
    return {code: text for code, text in (told or {}).items() if text}


def _schedule(old: Mapping[str, Any] | None, told: Mapping[str, Any]) -> dict[str, Any] | None:
    rrule = WEEKLY + ",".join(told["weekdays"]) if told["weekdays"] else told["rrule"]
    if not rrule:
        return None
    # A rule that counts from a day keeps that day for as long as it is the same rule.
    since = old.get("since") if old and old.get("rrule") == rrule else None
    return {
        "rrule": rrule,
        "starts": told["from_time"].strftime("%H:%M") if told["from_time"] else "00:00",
        "minutes": told["minutes"] or 24 * 60,
        "since": since,
    }


class CopyForm(forms.Form):
    """Under which code a campaign is written once more."""

    code = forms.SlugField(label=gettext_lazy("Code"), max_length=40)


@admin.register(CampaignDraft)
class CampaignDraftAdmin(ReadOnlyAdmin[CampaignDraft]):
    """Campaigns and changes of them that staff write, until they are published."""

    list_display = (
        *("campaign", "standing", "says", "budget_points", "author", "edited_by"),
        *("edited_at", "decided_by"),
    )
    list_filter = ("state",)
    list_select_related = (*("campaign", "author", "edited_by", "decided_by", "source", "version"),)
    search_fields = ("campaign__code",)
    ordering = ("-edited_at", "-pk")

    @badge(gettext_lazy("state"), in_review="warning", published="success", discarded="danger")
    def standing(self, draft: CampaignDraft) -> tuple[str, str]:
        """Return how far the draft is, colored."""
        return draft.state, draft.get_state_display()

    @admin.display(description=gettext_lazy("what it says"))
    def says(self, draft: CampaignDraft) -> str:
        """Return the rules as sentences."""
        return " ".join(comparing.sentences(draft.body))

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "campaigns_campaigndraft"
        return [
            path("<int:pk>/edit/", view(self.edit), name=f"{name}_edit"),
            path("<int:pk>/text/", view(self.text), name=f"{name}_text"),
            path("copy/<int:pk>/", view(self.copy), name=f"{name}_copy"),
            *super().get_urls(),
        ]

    def edit(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change name, dates, budget and hours."""
        draft, user = _draft(pk), _author(request)
        form = DraftForm(
            request.POST or None, initial=said(draft.body, draft.goal), texts=draft.body
        )
        if request.method == "POST" and form.is_valid():
            told = form.cleaned_data
            body = changed(draft.body, told)
            refusal = _save(draft, body, told["goal"], user)
            if refusal is None:
                return _back(request, draft)
            for line in refusal:
                form.add_error(None, line)
        return self._page(request, draft, "draft_form.html", _("Edit the campaign"), form=form)

    def text(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change the whole campaign as text; what does not read keeps standing in the field."""
        draft, user = _draft(pk), _author(request)
        text = request.POST.get("text", "").replace("\r\n", "\n") or _text_of(draft.body)
        problems: list[str] = []
        body: Mapping[str, Any] = draft.body
        if request.method == "POST":
            try:
                body = read_campaign(drafts.live(), text, draft.campaign.code)
            except ProgramFileError as error:
                problems = [_sentence(each) for each in error.problems]
            if not problems and "save" in request.POST:
                problems = _save(draft, body, None, user) or []
                if not problems:
                    return _back(request, draft)
        context = {"text": text, "problems": problems, "sentences": comparing.sentences(body)}
        return self._page(request, draft, "draft_text.html", _("Edit the rules"), **context)

    def copy(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write a campaign once more under another code, with rules of codes of their own."""
        campaign, user = Campaign.objects.filter(pk=pk).first(), _author(request)
        if campaign is None:
            raise Http404
        form = CopyForm(request.POST or None, initial={"code": f"{campaign.code}-2"[:40]})
        if request.method == "POST" and form.is_valid():
            try:
                made = drafts.duplicate(
                    campaign=campaign,
                    code=form.cleaned_data["code"],
                    by=user,
                    moment=timezone.now(),
                )
            except DomainError as refusal:
                form.add_error("code", refusal.detail)
            else:
                return redirect(reverse("admin:campaigns_campaigndraft_edit", args=[made.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": CampaignDraft._meta,
            "title": _("Duplicate %(name)s") % {"name": campaign.code},
            "form": form,
            "submit": _("Duplicate"),
            "back": reverse("admin:campaigns_campaign_change", args=[pk]),
        }
        return TemplateResponse(request, "admin/campaigns/draft_form.html", context)

    def _page(
        self, request: HttpRequest, draft: CampaignDraft, template: str, title: str, **more: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": CampaignDraft._meta,
            "title": f"{title}: {named(draft.campaign)}",
            "draft": draft,
            "sentences": comparing.sentences(draft.body),
            "submit": _("Save"),
            "back": reverse("admin:campaigns_campaign_change", args=[draft.campaign_id]),
            **more,
        }
        return TemplateResponse(request, f"admin/campaigns/{template}", context)


def _text_of(body: Mapping[str, Any]) -> str:
    """Return the campaign as text, its keys in the order of the program file."""
    try:
        return campaign_text(drafts.checked(body))
    except ProgramFileError:
        # The program has changed since: whoever reads the text can mend it.
        return campaign_text(body)


def _draft(pk: int) -> CampaignDraft:
    draft = CampaignDraft.objects.select_related("campaign__program").filter(pk=pk).first()
    if draft is None:
        raise Http404
    return draft


def _author(request: HttpRequest) -> Any:
    user = staff_with(request)
    if Who.AUTHOR not in roles_of(user):
        raise PermissionDenied
    return user


def _save(
    draft: CampaignDraft, body: Mapping[str, Any], goal: str | None, user: Any
) -> list[str] | None:
    """Save the draft; return what is wrong with it, None when nothing is."""
    try:
        drafts.edit(draft_id=draft.pk, body=body, goal=goal, by=user, moment=timezone.now())
    except ProgramFileError as error:
        return [_sentence(each) for each in error.problems]
    except DomainError as refusal:
        return [f"{refusal.title}: {refusal.detail}"]
    return None


def _sentence(problem: Problem) -> str:
    where = f"{problem.path} " if problem.path else ""
    line = _("(line %(line)d)") % {"line": problem.line} if problem.line is not None else ""
    expected = _("expected %(what)s") % {"what": problem.expected}
    return f"{where}{line}: {expected}".lstrip()


def _back(request: HttpRequest, draft: CampaignDraft) -> HttpResponse:
    messages.success(request, _("Saved."))
    return redirect(reverse("admin:campaigns_campaign_change", args=[draft.campaign_id]))
