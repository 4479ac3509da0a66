"""Who of the staff asks, and what they did to somebody, where it is no form of the admin's own."""

from __future__ import annotations

from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from members.models import Member, User


def staff_with(request: HttpRequest, *permissions: str) -> User:
    """Return the login that asks.

    :raises PermissionDenied: nobody is logged in, or one of the permissions is missing.
    """
    user = request.user
    if not isinstance(user, User) or not user.has_perms(permissions):
        raise PermissionDenied
    return user


def note_change(member: Member, user: User, told: str) -> None:
    """Write into the member's history in the admin what was done to them."""
    LogEntry.objects.log_actions(
        user_id=user.pk,
        queryset=Member.objects.filter(pk=member.pk),
        action_flag=CHANGE,
        change_message=told,
        single_object=True,
    )
