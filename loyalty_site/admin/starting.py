"""Campaigns from templates: a few figures, a look at what it says and costs, and a start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import comparing
from campaigns.campaign_templates import (
    BY_CODE,
    TEMPLATES,
    CampaignTemplate,
    Usual,
    Wish,
    estimate,
    proposed_budget,
)
from campaigns.lifecycle import Who
from campaigns.models import Campaign
from campaigns.programfile import ProgramFileError
from campaigns.queries import usual as sales
from campaigns.services import drafts
from loyalty_site.admin.campaign_roles import roles_of
from loyalty_site.admin.drafting import WEEKDAYS
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.models import User

# What each template is called, and what it does.
TITLES: Final = {
    "double-points": (
        gettext_lazy("Double points"),
        gettext_lazy("The base points times a factor, on all days of the campaign."),
    ),
    "happy-hour": (
        gettext_lazy("Happy hour"),
        gettext_lazy("The base points times a factor, within hours of some days of the week."),
    ),
    "member-day": (
        gettext_lazy("Member day"),
        gettext_lazy("The base points times a factor, on one day of each month."),
    ),
    "category-week": (
        gettext_lazy("Category week"),
        gettext_lazy("More points for what is bought of one category."),
    ),
    "welcome": (
        gettext_lazy("Welcome"),
        gettext_lazy("Points for the first purchase soon after enrollment."),
    ),
    "birthday": (
        gettext_lazy("Birthday"),
        gettext_lazy("Points on the member's birthday, once a year."),
    ),
    "win-back": (
        gettext_lazy("Win-back ladder"),
        gettext_lazy("Points for a purchase after a long silence; more after a longer one."),
    ),
    "spend-threshold": (
        gettext_lazy("Spend threshold"),
        gettext_lazy("Points for a purchase from an amount on, once a day."),
    ),
    "category-coupon": (
        gettext_lazy("Category coupon"),
        gettext_lazy("More points of one category for whoever shows a coupon."),
    ),
}
# A form begins with dates from tomorrow on.
_FIRST: Final = timedelta(days=1)


def _whole(label: Any, most: int, least: int = 1) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=least, max_value=most)


def _fields() -> dict[str, forms.Field]:
    """Return the fields that templates ask for, by the names of the wish."""
    return {
        "factor": forms.DecimalField(
            label=gettext_lazy("Factor"),
            min_value=Decimal("1.01"),
            max_value=Decimal(20),
            decimal_places=2,
        ),
        "weekdays": forms.MultipleChoiceField(
            label=gettext_lazy("On"), choices=WEEKDAYS, widget=forms.CheckboxSelectMultiple
        ),
        "from_time": forms.TimeField(
            label=gettext_lazy("From"),
            widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        ),
        "minutes": _whole(gettext_lazy("For so many minutes"), 1440),
        "day_of_month": _whole(gettext_lazy("Day of the month"), 28),
        "category": forms.ChoiceField(label=gettext_lazy("Category")),
        "per_unit": _whole(gettext_lazy("More points for each unit of money"), 1000),
        "points": _whole(gettext_lazy("Points"), 1_000_000),
        "days": _whole(gettext_lazy("Days"), 3650),
        "more_points": _whole(gettext_lazy("Points after the longer silence"), 1_000_000),
        "more_days": _whole(gettext_lazy("Days of the longer silence"), 3650),
        "amount": forms.DecimalField(
            label=gettext_lazy("From an amount of"), min_value=Decimal("0.01"), decimal_places=2
        ),
        "coupon": forms.CharField(label=gettext_lazy("Code of the coupon"), max_length=64),
    }


class StartForm(forms.Form):
    """The figures of one template; a budget is proposed where none is given."""

    name = forms.CharField(label=gettext_lazy("Name, as members read it"), max_length=120)
    first_day = forms.DateField(
        label=gettext_lazy("First day"), widget=forms.DateInput(attrs={"type": "date"})
    )
    last_day = forms.DateField(
        label=gettext_lazy("Last day"), widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, template: CampaignTemplate, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = _fields()
        self.fields |= {name: offered[name] for name in template.fields}
        if "category" in template.fields:
            found = sales.categories()
            if found:
                self.fields["category"] = forms.ChoiceField(
                    label=_("Category"), choices=[(name, name) for name in found]
                )
            else:
                self.fields["category"] = forms.CharField(label=_("Category"), max_length=128)
        self.fields["budget_points"] = forms.IntegerField(
            label=_("Budget in points; empty takes the proposal"), min_value=1, required=False
        )

    def clean(self) -> dict[str, Any]:
        """Refuse an end before the beginning, and a ladder that does not rise."""
        told: dict[str, Any] = super().clean() or {}
        first, last = told.get("first_day"), told.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", _("The last day comes after the first."))
        days, more = told.get("days"), told.get("more_days")
        if days and more and more <= days:
            self.add_error("more_days", _("The longer silence is longer."))
        return told


def templates_page(request: HttpRequest) -> HttpResponse:
    """Show what can be started."""
    _author(request)
    context = {
        **site.each_context(request),
        "title": _("Start a campaign"),
        "templates": [(each.code, *TITLES[each.code]) for each in TEMPLATES],
    }
    return TemplateResponse(request, "admin/campaigns/templates.html", context)


def start_page(request: HttpRequest, code: str) -> HttpResponse:
    """Ask for the figures of a template, show what they make, and start it."""
    user, template = _author(request), BY_CODE.get(code)
    if template is None:
        raise Http404
    document = drafts.live()
    zone = ZoneInfo(document["program"]["timezone"])
    form = StartForm(request.POST or None, template=template, initial=_initial(template, zone))
    shown: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        wish = _wish(form.cleaned_data, document, zone)
        usual = sales.usual(document=document, wish=wish, moment=timezone.now())
        points = estimate(template, wish, usual)
        if wish.budget_points is None:
            wish = replace(wish, budget_points=proposed_budget(points))
        try:
            body = drafts.checked(template.body(wish))
            if "look" not in request.POST:
                return _started(request, body, user, code)
        except ProgramFileError as error:
            for problem in error.problems:
                form.add_error(None, str(problem))
        except DomainError as refusal:
            form.add_error(None, f"{refusal.title}: {refusal.detail}")
        else:
            shown = _preview(body, wish, usual, points)
    context = {
        **site.each_context(request),
        "title": TITLES[code][0],
        "explained": TITLES[code][1],
        "form": form,
        **shown,
    }
    return TemplateResponse(request, "admin/campaigns/start.html", context)


def _author(request: HttpRequest) -> User:
    user = staff_with(request)
    if Who.AUTHOR not in roles_of(user) or not user.has_perm("campaigns.add_campaigndraft"):
        raise PermissionDenied
    return user


def _initial(template: CampaignTemplate, zone: ZoneInfo) -> dict[str, Any]:
    first = timezone.now().astimezone(zone).date() + _FIRST
    figures = {
        name: Wish.__dataclass_fields__[name].default
        for name in template.fields
        if name not in ("category", "coupon")
    }
    return {
        "name": TITLES[template.code][0],
        "first_day": first,
        "last_day": first + timedelta(days=template.length_days - 1),
        **figures,
        **template.starting,
    }


def _wish(told: Mapping[str, Any], document: Mapping[str, Any], zone: ZoneInfo) -> Wish:
    figures = {
        name: value
        for name, value in told.items()
        if name not in ("name", "first_day", "last_day") and value not in (None, "")
    }
    if "weekdays" in figures:
        figures["weekdays"] = tuple(figures["weekdays"])
    return Wish(
        code=_free_code(told["name"]),
        name=told["name"],
        locale=document["program"]["locale"],
        currency=next(each["code"] for each in document["points"] if each["kind"] == "redeemable"),
        starts_at=_start_of(told["first_day"], zone),
        ends_at=_start_of(told["last_day"] + timedelta(days=1), zone),
        **figures,
    )


def _start_of(day: date, zone: ZoneInfo) -> datetime:
    return calendars.start_of_day(day, zone).astimezone(zone)


def _free_code(name: str) -> str:
    """Return a code made of the name that no campaign has; a name may be in any script."""
    base = slugify(name)[:40].strip("-_") or "campaign"
    taken = set(Campaign.objects.filter(code__startswith=base).values_list("code", flat=True))
    number = 1
    code = base
    while code in taken:
        number += 1
        code = f"{base}-{number}"
    return code


def _preview(body: Mapping[str, Any], wish: Wish, usual: Usual, points: int) -> dict[str, Any]:
    lines = comparing.lines(None, body)
    return {
        "sentences": comparing.sentences(body),
        "window": (wish.starts_at, wish.ends_at),
        "expected": points,
        "proposal": wish.budget_points,
        "usual": usual,
        "difference": [line for line in lines if line.what != "budget_points"],
    }


def _started(request: HttpRequest, body: Mapping[str, Any], user: User, goal: str) -> HttpResponse:
    """Write the draft and start it; one above the limit goes to review."""
    moment = timezone.now()
    draft = drafts.begin(body=body, by=user, moment=moment, goal=str(TITLES[goal][0]))
    try:
        drafts.start(draft_id=draft.pk, by=user, moment=moment)
        messages.success(request, _("Started: it gives points within its dates."))
    except drafts.BudgetNeedsSecondPerson:
        drafts.submit(draft_id=draft.pk, by=user, moment=moment)
        messages.warning(request, _("A second person has to approve it; it gives nothing yet."))
    return redirect(reverse("admin:campaigns_campaign_change", args=[draft.campaign_id]))
