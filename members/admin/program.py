"""The program, its point currencies and its stores."""

from __future__ import annotations

from django.contrib import admin

from loyalty_site.lib.admin import ProgramFileAdmin, ReadOnlyAdmin, life
from members.models import PointCurrency, Program, Store


@admin.register(Program)
class ProgramAdmin(ProgramFileAdmin[Program]):
    """The one program of this installation."""

    list_display = ("name", "code", "currency", "timezone", "locale", "claim_days", "version")
    list_filter = ("currency",)
    search_fields = ("code", "name")


@admin.register(PointCurrency)
class PointCurrencyAdmin(ProgramFileAdmin[PointCurrency]):
    """Units of points with their expiry and what returns do to them."""

    list_display = (
        *("code", "kind", "value", "pending_days", "returns_policy", "debt_limit"),
        *("grace_days", life),
    )
    list_filter = ("kind", "is_retired")
    list_select_related = ("program",)
    search_fields = ("code",)


@admin.register(Store)
class StoreAdmin(ReadOnlyAdmin[Store]):
    """Places of sale."""

    list_display = ("code", "name")
    list_filter = ("program",)
    list_select_related = ("program",)
    search_fields = ("code", "name")
