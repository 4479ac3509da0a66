"""Who of the staff asks, where an act has to name them."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from members.models import User


def staff_with(request: HttpRequest, *permissions: str) -> User:
    """Return the login that asks.

    :raises PermissionDenied: nobody is logged in, or one of the permissions is missing.
    """
    user = request.user
    if not isinstance(user, User) or not user.has_perms(permissions):
        raise PermissionDenied
    return user
