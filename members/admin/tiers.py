"""The ladder, and who stood where on it."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ProgramFileAdmin, life
from members.models import Tier, TierMembership


@admin.register(Tier)
class TierAdmin(ProgramFileAdmin[Tier]):
    """Rungs with their thresholds."""

    list_display = ("code", "threshold", life)
    list_filter = ("is_retired",)
    list_select_related = ("program",)
    search_fields = ("code",)
    ordering = ("threshold", "pk")


@admin.register(TierMembership)
class TierMembershipAdmin(BooksAdmin[TierMembership]):
    """Stays on rungs with the evidence of each decision."""

    list_display = (
        *("member", "tier", "starts_at", "ends_at", "valid_until"),
        *("recorded_at", "superseded_at"),
    )
    list_filter = (
        "tier",
        ("ends_at", admin.EmptyFieldListFilter),
        ("superseded_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("member", "tier")
    search_fields = ("member__number__exact",)
    search_help_text = _("A whole member number.")
