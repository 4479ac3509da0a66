"""What the program asks about members, their answers, and how those changed."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ProgramFileAdmin, life
from members.models import AttributeChange, AttributeDefinition, MemberAttribute


@admin.register(AttributeDefinition)
class AttributeDefinitionAdmin(ProgramFileAdmin[AttributeDefinition]):
    """What is asked; the program file declares it."""

    list_display = ("code", "kind", "is_personal", "is_member_editable", life)
    list_filter = ("kind", "is_personal", "is_member_editable", "is_retired")
    list_select_related = ("program",)
    search_fields = ("code",)


@admin.register(MemberAttribute)
class MemberAttributeAdmin(BooksAdmin[MemberAttribute]):
    """The answers of members."""

    list_display = ("member", "definition", "text", "number", "flag", "texts", "changed_at")
    list_filter = ("definition",)
    list_select_related = ("member", "definition")
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(AttributeChange)
class AttributeChangeAdmin(BooksAdmin[AttributeChange]):
    """Who changed which answer, and when; what is personal stands here without its value."""

    list_display = ("member", "definition", "before", "after", "actor", "changed_at")
    list_filter = ("definition",)
    list_select_related = ("member", "definition")
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")
