"""What members bought and brought back."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ReadOnlyInline
from members.models import Purchase, PurchaseLine, Return, ReturnLine


class PurchaseLineInline(ReadOnlyInline[PurchaseLine, Purchase]):
    """The goods of a purchase."""

    model = PurchaseLine
    fields = (
        *("line_id", "sku", "name", "category", "quantity", "unit_price"),
        *("discount", "net"),
    )
    readonly_fields = fields
    ordering = ("position",)


@admin.register(Purchase)
class PurchaseAdmin(BooksAdmin[Purchase]):
    """Sales with their goods and the points that they gave."""

    list_display = (
        *("external_id", "source", "member", "net", "currency", "state", "store"),
        *("occurred_at", "recorded_at"),
    )
    list_filter = ("state", "source", "channel", ("member", admin.EmptyFieldListFilter))
    list_select_related = ("member", "program")
    search_fields = ("external_id__exact", "member__number__exact")
    search_help_text = _("The till's whole number of the purchase, or a whole member number.")
    ordering = ("-recorded_at", "-pk")
    readonly_fields = ("receipt",)
    hidden = ("evaluation",)
    inlines = (PurchaseLineInline,)

    @admin.display(description=_("receipt"))
    def receipt(self, purchase: Purchase) -> str:
        """Return a line for each award, as first answered."""
        awards = purchase.evaluation.get("awards") or []
        rows = (
            (row["points"], row["currency"], row["rule"]["name"], row["text"]) for row in awards
        )
        return format_html_join("", "<div>{} {} · {} · {}</div>", rows)


@admin.register(PurchaseLine)
class PurchaseLineAdmin(BooksAdmin[PurchaseLine]):
    """Goods, whatever purchase they stand in."""

    list_display = ("purchase", "line_id", "sku", "name", "category", "quantity", "net")
    list_filter = ("purchase__state",)
    list_select_related = ("purchase",)
    search_fields = ("purchase__external_id__exact",)
    search_help_text = _("The till's whole number of the purchase.")


class ReturnLineInline(ReadOnlyInline[ReturnLine, Return]):
    """How much of which line came back."""

    model = ReturnLine
    fields = ("purchase_line", "quantity")
    readonly_fields = fields


@admin.register(Return)
class ReturnAdmin(BooksAdmin[Return]):
    """Goods that came back, and the points that this took."""

    list_display = (
        *("external_id", "source", "purchase", "state", "occurred_at", "recorded_at"),
        "applied_at",
    )
    list_filter = ("state", "source")
    list_select_related = ("purchase", "program")
    search_fields = ("external_id__exact", "purchase_external_id__exact")
    search_help_text = _("The till's whole number of the return or of its purchase.")
    inlines = (ReturnLineInline,)


@admin.register(ReturnLine)
class ReturnLineAdmin(BooksAdmin[ReturnLine]):
    """Lines of returns, whatever return they stand in."""

    list_display = ("goods_return", "purchase_line", "quantity")
    list_filter = ("goods_return__state",)
    list_select_related = ("goods_return", "purchase_line")
    search_fields = ("goods_return__external_id__exact",)
    search_help_text = _("The till's whole number of the return.")
