"""Logins of members and of staff."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as StockGroupAdmin
from django.contrib.auth.admin import UserAdmin as StockUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from loyalty_site.lib.admin import TypedModelAdmin
from members.models import User

if TYPE_CHECKING:
    _UserBase = StockUserAdmin[User]
else:
    _UserBase = StockUserAdmin

# Whoever could set these could make themselves anything.
POWERS = ("is_staff", "is_superuser", "groups")

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(StockGroupAdmin, TypedModelAdmin[Group]):
    """Sets of permissions for staff."""

    list_filter = ("permissions__content_type__app_label",)


@admin.register(User)
class UserAdmin(_UserBase, TypedModelAdmin[User]):
    """Logins. What a person holds hangs on their membership."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "member_number", "is_staff", "is_active", "last_login", "date_joined")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    list_select_related = ("member",)
    search_fields = ("email__startswith", "member__number__exact")
    search_help_text = _("The beginning of an address, or a whole member number.")
    ordering = ("-pk",)
    readonly_fields = ("last_login", "date_joined", "member_number")
    autocomplete_fields = ("groups",)
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("email", "password", "member_number")}),
        (_("Powers"), {"fields": ("is_active", *POWERS)}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)

    @admin.display(description=_("member"))
    def member_number(self, user: User) -> str:
        """Return the number of whoever logs in with it."""
        member = getattr(user, "member", None)
        return member.number if member else "-"

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *POWERS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Keep staff from logins that are more powerful than their own."""
        if obj is not None and obj.is_staff and not _is_superuser(request):
            return False
        return bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let logins be made inactive only; erasure removes them."""
        return False


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
