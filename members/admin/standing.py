"""What is known of members beside their profile: tags, and how words about them changed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin
from members.models import BirthDateChange, MemberTag, ScoreMove


@admin.register(MemberTag)
class MemberTagAdmin(BooksAdmin[MemberTag]):
    """Words on members; they are put on and taken off on the member's page."""

    list_display = ("member", "tag", "actor", "tagged_at", "expires_at")
    list_filter = (("expires_at", admin.EmptyFieldListFilter), "tagged_at")
    list_select_related = ("member",)
    search_fields = ("tag__exact", "member__number__exact")
    search_help_text = _("A whole tag or member number.")


@admin.register(ScoreMove)
class ScoreMoveAdmin(BooksAdmin[ScoreMove]):
    """How words about members changed."""

    list_display = ("member", "code", "text_before", "text_after", "moved_at")
    list_filter = ("code", "text_after")
    list_select_related = ("member",)
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(BirthDateChange)
class BirthDateChangeAdmin(BooksAdmin[BirthDateChange]):
    """Whose date of birth staff corrected, and why; neither day stands here."""

    list_display = ("member", "year", "why", "changed_by", "changed_at")
    list_filter = ("year",)
    list_select_related = ("member", "changed_by")
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")
