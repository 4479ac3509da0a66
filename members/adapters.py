"""Where logging in meets membership."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from loyalty_site.lib.retries import retrying
from members.models import User
from members.numbers import NotAnIdentifier, normalized
from members.services import logins


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's adapter: a person who has logged in is a member from then on."""

    def clean_email(self, email: str) -> str:
        """Return the address if a member can be recognized by it.

        :raises ValidationError: it has letters that only look like those of another address.
        """
        email = super().clean_email(email)
        try:
            normalized("email", email)
        except NotAnIdentifier:
            raise ValidationError(_("Enter a valid email address.")) from None
        return email

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        """Join the login, whose address is verified by now, to its member."""
        self._join(user)
        response: HttpResponse = super().post_login(request, user, **kwargs)
        return response

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm an address, and let its member be recognized by it."""
        is_confirmed: bool = super().confirm_email(request, email_address)
        if is_confirmed and getattr(email_address.user, "member", None) is not None:
            self._join(email_address.user)
        return is_confirmed

    @staticmethod
    def _join(user: User) -> None:
        retrying(lambda: logins.join(user=user, moment=timezone.now(), locale=get_language() or ""))
