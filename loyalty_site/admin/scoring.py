"""Groups of RFM and stages: how many members are in each, and how they moved in a month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from loyalty_site.lib.admin import BooksAdmin
from members.models import MemberScore
from members.queries.scores import migration
from members.segmentation import GROUPS, STAGES

DAYS: Final = 30
NAMES: Final = {
    "champions": gettext_lazy("Champions"),
    "loyal": gettext_lazy("Loyal"),
    "potential": gettext_lazy("Potential"),
    "new": gettext_lazy("New"),
    "promising": gettext_lazy("Promising"),
    "need_attention": gettext_lazy("Need attention"),
    "about_to_sleep": gettext_lazy("About to sleep"),
    "at_risk": gettext_lazy("At risk"),
    "cannot_lose": gettext_lazy("Cannot lose"),
    "hibernating": gettext_lazy("Hibernating"),
    "active": gettext_lazy("Active"),
    "top": gettext_lazy("Top"),
    "silent": gettext_lazy("Silent"),
    "": gettext_lazy("none"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A word with its members now, and where those who had it a month ago are."""

    word: str
    name: Any
    now: int
    cells: list[int | None]


@dataclass(frozen=True, slots=True)
class Table:
    """The words of one score, each with where its members went."""

    code: str
    title: Any
    columns: list[Any]
    rows: list[Row]


@admin.register(MemberScore)
class MemberScoreAdmin(BooksAdmin[MemberScore]):
    """The latest figures about members, such as their stage."""

    list_display = ("member", "code", "text", "value", "computed_at")
    list_filter = ("code", "text")
    list_select_related = ("member",)
    search_fields = ("member__number__exact",)
    search_help_text = gettext_lazy("A whole member number.")
    list_before_template = "admin/segments/scores_link.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_safe(self.groups))
        return [path("groups/", view, name="members_memberscore_groups"), *super().get_urls()]

    def groups(self, request: HttpRequest) -> HttpResponse:
        """Show the groups and stages, and who moved between them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        since = timezone.now() - timedelta(days=DAYS)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Groups and stages"),
            "days": DAYS,
            "tables": [
                table("rfm", _("RFM groups"), list(GROUPS), since),
                table("stage", _("Stages"), list(STAGES), since),
            ],
        }
        return TemplateResponse(request, "admin/segments/groups.html", context)


def table(code: str, title: Any, words: list[str], since: datetime) -> Table:
    """Return the words of a score with the moves since then; who had none is the last row."""
    found = migration(code=code, since=since)
    ends = [*words, ""]
    rows = [
        Row(
            word=before,
            name=NAMES[before],
            now=found.now.get(before, 0),
            # How many have had no word all along is not counted.
            cells=[None if before == after == "" else found.cell(before, after) for after in ends],
        )
        for before in ends
    ]
    return Table(code, title, [NAMES[word] for word in ends], rows)
