"""Changing what is known of a member."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import FieldError, Invalid
from members.models import Member

FIELDS: Final = ("first_name", "last_name", "birth_date", "locale", "timezone")
BIRTH_YEAR_MIN: Final = 1900


class MemberErased(DomainError):
    """Nothing can be kept of somebody who was erased."""

    code = "member_erased"
    title = "The member was erased"
    cause = "The person asked for erasure; nothing can be stored about them any more."
    remedy = "Enroll the person anew if they wish to take part again."


def change(*, member: Member, fields: Mapping[str, Any], moment: datetime) -> None:
    """Write the fields that are named and differ; the caller has locked the member.

    :raises Invalid: the date of birth is nobody's.
    :raises MemberErased: the member was erased.
    """
    if member.status == Member.Status.ERASED:
        raise MemberErased
    if "birth_date" in fields and (errors := birth_date_errors(fields["birth_date"], moment)):
        raise Invalid(errors)
    changed = [name for name in FIELDS if name in fields and fields[name] != getattr(member, name)]
    for name in changed:
        setattr(member, name, fields[name])
    if changed:
        member.changed_at = moment
        member.save(update_fields=[*changed, "changed_at"])


def birth_date_errors(birth_date: date | None, moment: datetime) -> list[FieldError]:
    """Return what is wrong with a date of birth: before 1900, or ahead in every time zone."""
    tomorrow = moment.date() + timedelta(days=1)
    if birth_date is None or (birth_date.year >= BIRTH_YEAR_MIN and birth_date <= tomorrow):
        return []
    return [FieldError("/birth_date", "out_of_range", "Nobody is born on that day.")]
