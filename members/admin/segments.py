"""Who is in segments, and how they moved; a segment's page joins the apps and stands above."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin
from members.models import SegmentMembership, SegmentMove, SegmentSnapshot


@admin.register(SegmentMembership)
class SegmentMembershipAdmin(BooksAdmin[SegmentMembership]):
    """Who is in which group, since when."""

    list_display = ("member", "segment", "entered_at")
    list_filter = ("segment",)
    list_select_related = ("member", "segment")
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(SegmentMove)
class SegmentMoveAdmin(BooksAdmin[SegmentMove]):
    """Who entered and left which group, and when."""

    list_display = ("segment", "member", "entered", "moved_at", "actor")
    list_filter = ("entered", "segment")
    list_select_related = ("member", "segment")
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(SegmentSnapshot)
class SegmentSnapshotAdmin(ReadOnlyAdmin[SegmentSnapshot]):
    """How many members each group held at the end of a day."""

    list_display = ("segment", "day", "members")
    list_filter = ("segment", "day")
    list_select_related = ("segment",)
    search_fields = ("segment__code__exact",)
    ordering = ("-day", "segment_id")
