"""What every page knows: the program's name and look, and the member's ways through the site."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import pgettext

from loyalty_site.views.access import member_of
from members.models import Program


def site(request: HttpRequest) -> dict[str, Any]:
    """Return ``program``, ``program_brand`` and ``tabs``; nothing is read before it is shown."""
    return {
        "program": SimpleLazyObject(lambda: _program_name(request)),
        "program_brand": "",
        "tabs": SimpleLazyObject(lambda: _tabs(request)),
    }


def _program_name(request: HttpRequest) -> str:
    member = member_of(request)
    if member is not None:
        return member.program.name
    name = Program.objects.order_by("pk").values_list("name", flat=True).first()
    return name or ""


def _tabs(request: HttpRequest) -> list[dict[str, Any]]:
    if member_of(request) is None:
        return []
    tabs = [
        ("home", pgettext("tab", "Home"), "home"),
        ("rewards", pgettext("tab", "Rewards"), "gift"),
        ("card", pgettext("tab", "Card"), "card"),
        ("activity", pgettext("tab", "Activity"), "activity"),
        ("profile", pgettext("tab", "Profile"), "person"),
    ]
    return [
        {
            "url": reverse(name),
            "label": label,
            "icon": icon,
            "is_current": request.path.startswith(reverse(name)),
        }
        for name, label, icon in tabs
    ]
