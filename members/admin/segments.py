"""Groups of members."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ProgramFileAdmin, life
from members.models import Segment, SegmentMembership


@admin.register(Segment)
class SegmentAdmin(ProgramFileAdmin[Segment]):
    """Named groups with their condition."""

    list_display = ("code", "refreshed_at", life)
    list_filter = ("is_retired",)
    list_select_related = ("program",)
    search_fields = ("code",)


@admin.register(SegmentMembership)
class SegmentMembershipAdmin(BooksAdmin[SegmentMembership]):
    """Who is in which group, since when."""

    list_display = ("member", "segment", "entered_at")
    list_filter = ("segment",)
    list_select_related = ("member", "segment")
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")
