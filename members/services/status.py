"""Suspending members and letting them in again."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from loyalty_site.lib.errors import DomainError
from members.models import Member


class StatusNotChanged(DomainError):
    """The member is not in the state that the change starts from."""

    code = "status_not_changed"
    title = "The membership is in another state"
    cause = "Only active members are suspended, and only suspended ones are let in again."
    remedy = "Read the member again; somebody else may have been quicker."


@transaction.atomic
def suspend(*, member_id: int, moment: datetime) -> Member:
    """Keep an active member from redeeming; what they buy is counted as before.

    :raises StatusNotChanged: the member is not active.
    """
    return _move(member_id, Member.Status.ACTIVE, Member.Status.SUSPENDED, moment)


@transaction.atomic
def reactivate(*, member_id: int, moment: datetime) -> Member:
    """Let a suspended member redeem again.

    :raises StatusNotChanged: the member is not suspended.
    """
    return _move(member_id, Member.Status.SUSPENDED, Member.Status.ACTIVE, moment)


def _move(member_id: int, before: str, after: str, moment: datetime) -> Member:
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    if member.status != before:
        raise StatusNotChanged(f"The member is {member.status}, not {before}.")
    member.status = after
    member.changed_at = moment
    member.save(update_fields=["status", "changed_at"])
    return member
