"""The catalog and what members made of it, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, TypedModelAdmin, life
from loyalty_site.lib.languages import pick
from loyalty_site.lib.localized import LocalizedField, asked_languages
from rewards.models import PointsTender, Redemption, Reward, Voucher
from rewards.services import editing

if TYPE_CHECKING:
    _RewardForm = forms.ModelForm[Reward]
else:
    _RewardForm = forms.ModelForm


class RewardForm(_RewardForm):
    """What staff change of a reward by hand."""

    name = LocalizedField(max_length=200)
    description = LocalizedField(max_length=1000, required=False)

    class Meta:
        model = Reward
        fields = ("name", "description", "stock", "redeemable_from", "redeemable_to")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        spoken = asked_languages(self.instance.name, self.instance.description)
        self.fields["name"] = LocalizedField(max_length=200, languages=spoken)
        self.fields["description"] = LocalizedField(
            max_length=1000, languages=spoken, is_long=True, required=False
        )

    def clean_stock(self) -> int | None:
        """Refuse fewer pieces than none."""
        stock: int | None = self.cleaned_data["stock"]
        if stock is not None and stock < 0:
            raise forms.ValidationError(_("There cannot be fewer than 0 pieces."))
        return stock

    def clean(self) -> dict[str, Any]:
        """Refuse a reward that ends before it begins."""
        cleaned: dict[str, Any] = super().clean() or {}
        begins, ends = cleaned.get("redeemable_from"), cleaned.get("redeemable_to")
        if begins and ends and ends <= begins:
            self.add_error("redeemable_to", _("The end has to be after the beginning."))
        return cleaned


@admin.register(Reward)
class RewardAdmin(TypedModelAdmin[Reward]):
    """The catalog; price, tiers and limits are changed by the program file."""

    form = RewardForm
    list_display = (
        *("code", "title", "kind", "points_price", "stock", "tier_codes"),
        *("redeemable_from", "redeemable_to", life),
    )
    list_display_links = ("code", "title")
    list_filter = ("kind", "is_retired", "segment")
    list_select_related = ("program",)
    search_fields = ("code", "name")
    ordering = ("is_retired", "position", "pk")
    actions = None
    fieldsets = (
        (
            _("Changed here"),
            {"fields": ("name", "description", "stock", "redeemable_from", "redeemable_to")},
        ),
        (
            _("Changed by the program file"),
            {
                "fields": (
                    *(("code", "kind"), ("points_price", "tier_codes")),
                    *(("value", "cost"), ("limit_uses", "limit_period")),
                    *(("donation_rate", "donation_match_percent"), "donation_target"),
                    *(("segment", "voucher_valid_days"), ("is_retired", "changed_at")),
                )
            },
        ),
    )
    readonly_fields = (
        *("code", "kind", "points_price", "tier_codes", "value", "cost", "limit_uses"),
        *("donation_rate", "donation_match_percent", "donation_target"),
        *("limit_period", "segment", "voucher_valid_days", "is_retired", "changed_at"),
    )

    @admin.display(description=_("name"))
    def title(self, reward: Reward) -> str:
        """Return the name in the language of the page."""
        return pick(reward.name, [get_language() or "", reward.program.locale], reward.code)

    @admin.display(description=_("tiers"))
    def tier_codes(self, reward: Reward) -> str:
        """Return who may redeem it."""
        return ", ".join(reward.tiers) or str(_("everyone"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Leave the beginning of a reward to the program file."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Reward | None = None) -> bool:
        """Keep rewards for their redemptions; the program file retires them."""
        return False

    def save_model(self, request: HttpRequest, obj: Reward, form: Any, change: bool) -> None:
        """Hand what was changed to the service; pieces redeemed meanwhile are not put back."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            editing.edit_reward(reward_id=obj.pk, changes=changes, moment=timezone.now())


@admin.register(Redemption)
class RedemptionAdmin(BooksAdmin[Redemption]):
    """Exchanges of points for rewards."""

    list_display = (
        *("public_id", "member", "reward", "quantity", "points", "points_given_back", "state"),
        *("created_at", "hold_expires_at", "is_simulated"),
    )
    list_filter = ("state", "reward", "is_simulated")
    list_select_related = ("member", "reward", "program", "hold", "debit")
    search_fields = ("external_id__exact", "member__number__exact", "voucher__code__exact")
    search_help_text = _("A whole member number, voucher code, or number of the client's own.")


@admin.register(PointsTender)
class PointsTenderAdmin(BooksAdmin[PointsTender]):
    """Redemptions that paid a part of an order."""

    list_display = ("purchase", "redemption", "amount")
    list_filter = ("redemption__reward",)
    list_select_related = ("purchase", "redemption")
    search_fields = ("purchase__external_id__exact", "redemption__member__number__exact")
    search_help_text = _("The till's whole number of the purchase, or a whole member number.")


@admin.register(Voucher)
class VoucherAdmin(BooksAdmin[Voucher]):
    """Codes that a till accepts once."""

    list_display = ("code", "redemption", "state", "issued_at", "expires_at", "used_at", "used_by")
    list_filter = ("state",)
    list_select_related = ("redemption", "purchase")
    search_fields = ("code__exact", "redemption__member__number__exact")
    search_help_text = _("A whole code or member number.")
