"""The pages for everybody: the door, how the program works, and the manifest of the app."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_cookie

from loyalty_site.pages import changes as changes_page
from loyalty_site.pages import program as program_page
from loyalty_site.pages.words import zone_of
from loyalty_site.views.access import member_of
from members.models import Member, Program, TierMembership


@require_safe
@vary_on_cookie
def index(request: HttpRequest) -> HttpResponse:
    """Bring members home, and tell everybody else how the program works."""
    if member_of(request) is not None:
        return redirect("home")
    return how_it_works(request)


@require_safe
@vary_on_cookie
def how_it_works(request: HttpRequest) -> HttpResponse:
    """Explain the program as it is applied now."""
    member, moment = member_of(request), timezone.now()
    program = member.program if member else Program.objects.order_by("pk").first()
    if program is None:
        return render(request, "members/how_it_works.html", {}, status=503)
    with timezone.override(zone_of(member) if member else program.timezone):
        tier = _tier_code(member) if member else None
        context = program_page.context(program=program, moment=moment, tier=tier)
        return render(request, "members/how_it_works.html", context | {"is_member": bool(member)})


@require_safe
@vary_on_cookie
def changes(request: HttpRequest) -> HttpResponse:
    """List what makes points worth less, and tell members what it does to theirs."""
    member, moment = member_of(request), timezone.now()
    program = member.program if member else Program.objects.order_by("pk").first()
    if program is None:
        return render(request, "members/changes.html", {}, status=503)
    with timezone.override(zone_of(member) if member else program.timezone):
        context = changes_page.context(program=program, moment=moment, member=member)
        return render(request, "members/changes.html", context)


@require_safe
@cache_control(public=True, max_age=3600)
def manifest(_request: HttpRequest) -> JsonResponse:
    """Describe the pages as an app that can be put on a home screen."""
    name = Program.objects.order_by("pk").values_list("name", flat=True).first() or "Loyalty"
    icon = {"src": static("icons/icon.svg"), "type": "image/svg+xml", "sizes": "any"}
    document = {
        "name": name,
        "short_name": name[:12],
        "id": "/",
        "start_url": reverse("home"),
        "scope": "/",
        "display": "standalone",
        "background_color": "#f8f7f4",
        "theme_color": "#f8f7f4",
        "icons": [{**icon, "purpose": "any"}],
        "shortcuts": [{"name": "Card", "url": reverse("card")}],
    }
    return JsonResponse(document, content_type="application/manifest+json")


def _tier_code(member: Member) -> str | None:
    rows = TierMembership.objects.filter(member=member, superseded_at=None)
    return rows.order_by("-starts_at", "-pk").values_list("tier__code", flat=True).first()
