"""What packages keep of logins and clients, without what would let someone in."""

from __future__ import annotations

from allauth.account import admin as _account  # noqa: F401 - registers what is replaced below
from allauth.account.models import EmailAddress
from allauth.idp.oidc import admin as _oidc  # noqa: F401
from allauth.idp.oidc.models import Client, Token
from allauth.mfa import admin as _mfa  # noqa: F401
from allauth.mfa.models import Authenticator
from allauth.usersessions import admin as _sessions  # noqa: F401
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin

admin.site.unregister([EmailAddress, Authenticator, UserSession, Client, Token])


@admin.register(EmailAddress)
class EmailAddressAdmin(BooksAdmin[EmailAddress]):
    """Addresses that logins proved to be theirs."""

    list_display = ("email", "user", "primary", "verified")
    list_filter = ("primary", "verified")
    list_select_related = ("user",)
    search_fields = ("email__startswith",)
    search_help_text = _("The beginning of an address.")


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin[Authenticator]):
    """Second factors; one that was lost is removed here, its secret is shown nowhere."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__email__startswith",)
    search_help_text = _("The beginning of an address.")
    hidden = ("data",)

    def has_delete_permission(self, request: HttpRequest, obj: Authenticator | None = None) -> bool:
        """Leave it to superusers, and never their own: a stolen session would get rid of it."""
        is_own = obj is not None and obj.user_id == request.user.pk
        return bool(getattr(request.user, "is_superuser", False)) and not is_own


@admin.register(UserSession)
class UserSessionAdmin(BooksAdmin[UserSession]):
    """Who is logged in where."""

    list_display = ("user", "created_at", "last_seen_at", "ip", "user_agent")
    list_filter = (("user__member", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("user__email__startswith",)
    search_help_text = _("The beginning of an address.")
    hidden = ("session_key", "data")


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin[Client]):
    """Clients of the API as the provider knows them; ``manage.py create_client`` makes them."""

    list_display = ("name", "id", "type", "created_at")
    list_filter = ("type",)
    list_select_related = ("owner",)
    search_fields = ("name", "id__exact")
    hidden = ("secret", "data")


@admin.register(Token)
class TokenAdmin(BooksAdmin[Token]):
    """Tokens that were given out, without the tokens."""

    list_display = ("client", "type", "user", "created_at", "expires_at")
    list_filter = ("type",)
    list_select_related = ("client", "user")
    search_fields = ("client__id__exact", "client__name")
    hidden = ("hash", "data")
