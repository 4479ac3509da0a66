"""How members are recognized, what they agreed to and what they were told."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin
from members.models import ConsentRecord, DataExport, Identifier, Message, WrongTries


@admin.register(Identifier)
class IdentifierAdmin(BooksAdmin[Identifier]):
    """Addresses, telephone numbers, cards and keys of other systems."""

    list_display = ("value", "kind", "member", "is_primary", "verified_at", "added_at")
    list_filter = ("kind", "is_primary", ("verified_at", admin.EmptyFieldListFilter))
    list_select_related = ("member", "program")
    search_fields = ("value__exact", "member__number__exact")
    search_help_text = _("A whole identifier or member number.")


@admin.register(ConsentRecord)
class ConsentRecordAdmin(BooksAdmin[ConsentRecord]):
    """What members agreed to and withdrew; nothing of it is ever overwritten."""

    list_display = ("member", "purpose", "channel", "granted", "text_version", "source", "at")
    list_filter = ("granted", "purpose", "channel", "source")
    list_select_related = ("member",)
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(Message)
class MessageAdmin(BooksAdmin[Message]):
    """What members were told."""

    list_display = ("title", "kind", "member", "sent_at", "read_at")
    list_filter = ("kind", ("read_at", admin.EmptyFieldListFilter))
    list_select_related = ("member",)
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(DataExport)
class DataExportAdmin(ReadOnlyAdmin[DataExport]):
    """Copies of their data that members asked for; the copies themselves are not shown."""

    list_display = ("public_id", "member", "state", "requested_at", "expires_at")
    list_filter = ("state",)
    list_select_related = ("member",)
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")


@admin.register(WrongTries)
class WrongTriesAdmin(ReadOnlyAdmin[WrongTries]):
    """Who guessed wrong lately, and until when they wait."""

    list_display = ("member", "act", "wrong", "locked_until", "changed_at")
    list_filter = ("act",)
    list_select_related = ("member",)
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")
    ordering = ("-changed_at",)
