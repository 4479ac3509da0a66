"""The books. They are read here and changed nowhere but by posting."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin, ReadOnlyInline
from members.models import (
    LedgerAccount,
    LedgerActivity,
    LedgerCheckpoint,
    LedgerEntry,
    LedgerHold,
    LedgerNode,
    LedgerNote,
    LedgerSeal,
    LedgerTransaction,
    LotUse,
    PointLot,
    SealingState,
)

BY_MEMBER = _("A whole member number.")


@admin.register(LedgerAccount)
class LedgerAccountAdmin(BooksAdmin[LedgerAccount]):
    """What each member holds by state, and the program's counter-accounts."""

    list_display = ("id", "member", "currency", "kind", "balance", "floor")
    list_filter = ("kind", "currency")
    list_select_related = ("member", "currency", "program")
    search_fields = ("member__number__exact",)
    search_help_text = BY_MEMBER
    hidden = ("lock_touch",)


class EntryInline(ReadOnlyInline[LedgerEntry, LedgerTransaction]):
    """The lines of a transaction."""

    model = LedgerEntry
    fields = ("line", "account", "points")
    readonly_fields = fields
    verbose_name_plural = _("entries")


class OpenedLotInline(ReadOnlyInline[PointLot, LedgerTransaction]):
    """The lots that a transaction opened."""

    model = PointLot
    fields = ("points", "remaining", "earned_at", "available_at", "expires_at")
    readonly_fields = fields
    verbose_name_plural = _("lots opened")


class UsedLotInline(ReadOnlyInline[LotUse, LedgerTransaction]):
    """What a transaction took from lots."""

    model = LotUse
    fields = ("lot", "kind", "points")
    readonly_fields = fields
    verbose_name_plural = _("lots used")


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(BooksAdmin[LedgerTransaction]):
    """Movements of points with their lines, and what they did to lots."""

    list_display = (
        *("id", "type", "member", "currency", "source", "reason_code"),
        *("occurred_at", "recorded_at", "actor"),
    )
    list_filter = ("type", "source", "currency")
    list_select_related = ("member", "currency", "program")
    search_fields = ("external_ref__exact", "member__number__exact")
    search_help_text = _("A whole member number, or the reference of what moved the points.")
    inlines = (EntryInline, OpenedLotInline, UsedLotInline)

    def lookup_allowed(self, lookup: str, value: str, request: object = None) -> bool:
        """Allow the links of the member page."""
        return lookup == "currency__code" or super().lookup_allowed(lookup, value)  # type: ignore[call-arg]


@admin.register(LedgerEntry)
class LedgerEntryAdmin(BooksAdmin[LedgerEntry]):
    """Signed lines of transactions."""

    list_display = ("id", "transaction", "line", "account", "points")
    list_filter = ("currency",)
    list_select_related = ("transaction", "account", "currency", "program")
    search_fields = ("transaction__external_ref__exact", "account__member__number__exact")
    search_help_text = _("A whole member number, or the reference of what moved the points.")


@admin.register(PointLot)
class PointLotAdmin(BooksAdmin[PointLot]):
    """Points that were earned together, with what is left of them."""

    list_display = (
        *("id", "transaction", "account", "points", "remaining"),
        *("earned_at", "available_at", "expires_at", "waits_for"),
    )
    list_filter = ("account__kind", "account__currency", "waits_for")
    list_select_related = ("transaction", "account", "moved_from")
    search_fields = ("account__member__number__exact",)
    search_help_text = BY_MEMBER


@admin.register(LotUse)
class LotUseAdmin(BooksAdmin[LotUse]):
    """What transactions took from lots, and gave back."""

    list_display = ("id", "transaction", "lot", "kind", "points")
    list_filter = ("kind",)
    list_select_related = ("transaction", "lot")
    search_fields = ("transaction__external_ref__exact", "transaction__member__number__exact")
    search_help_text = _("A whole member number, or the reference of what moved the points.")


@admin.register(LedgerHold)
class LedgerHoldAdmin(BooksAdmin[LedgerHold]):
    """Points reserved for a redemption."""

    list_display = ("transaction", "account", "points", "expires_at", "is_open")
    list_filter = ("is_open",)
    list_select_related = ("transaction", "account")
    search_fields = ("transaction__external_ref__exact", "transaction__member__number__exact")
    search_help_text = _("A whole member number, or the reference of the redemption.")


@admin.register(LedgerActivity)
class LedgerActivityAdmin(BooksAdmin[LedgerActivity]):
    """Acts that renewed points which last as long as their member is active."""

    list_display = ("account", "day", "act", "occurred_at", "recorded_at")
    list_filter = ("act",)
    list_select_related = ("account",)
    search_fields = ("account__member__number__exact",)
    search_help_text = BY_MEMBER


@admin.register(LedgerNote)
class LedgerNoteAdmin(ReadOnlyAdmin[LedgerNote]):
    """Words beside transactions."""

    list_display = ("transaction", "text")
    list_filter = ("transaction__type",)
    list_select_related = ("transaction",)
    search_fields = ("text", "transaction__member__number__exact")


@admin.register(LedgerSeal)
class LedgerSealAdmin(BooksAdmin[LedgerSeal]):
    """The place of each transaction in the chain that proves history."""

    list_display = ("sequence", "transaction")
    list_filter = ("transaction__type",)
    list_select_related = ("transaction",)
    search_fields = ("sequence__exact", "transaction__public_id__exact")
    search_help_text = _("A whole sequence number, or the id of a transaction.")


@admin.register(LedgerCheckpoint)
class LedgerCheckpointAdmin(BooksAdmin[LedgerCheckpoint]):
    """What was signed about the seals; copies lie outside the database."""

    list_display = ("tree_size", "made_at")
    list_filter = ("made_at",)
    search_fields = ("tree_size__exact",)


@admin.register(LedgerNode)
class LedgerNodeAdmin(BooksAdmin[LedgerNode]):
    """Kept parts of the tree over the seals."""

    list_display = ("height", "position")
    list_filter = ("height",)
    search_fields = ("position__exact",)


@admin.register(SealingState)
class SealingStateAdmin(ReadOnlyAdmin[SealingState]):
    """How far behind sealing is."""

    list_display = ("caught_up_at", "oldest_xid", "oldest_since")
    list_filter = ("caught_up_at",)
    search_fields = ("oldest_xid__exact",)
