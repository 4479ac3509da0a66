"""Changing what is known of a member."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import transaction

from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import FieldError, Invalid
from members.models import BirthDateChange, Member, User

FIELDS: Final = ("first_name", "last_name", "birth_date", "locale", "timezone")
BIRTH_YEAR_MIN: Final = 1900


class MemberErased(DomainError):
    """Nothing can be kept of somebody who was erased."""

    code = "member_erased"
    title = "The member was erased"
    cause = "The person asked for erasure; nothing can be stored about them any more."
    remedy = "Enroll the person anew if they wish to take part again."


class BirthDateLocked(DomainError):
    """Members say once when they were born."""

    code = "birth_date_locked"
    title = "The date of birth is set"
    cause = "It can be given once: birthdays are celebrated by it, and ages are counted from it."
    remedy = "Ask the shop: staff can correct a mistake, once a year."


class BirthDateCorrected(DomainError):
    """Staff corrected the date of birth in this year already."""

    code = "birth_date_corrected"
    title = "The date of birth was corrected this year already"
    cause = "It is corrected at most once in a calendar year, so that nobody has two birthdays."
    remedy = "Wait for the next year."


def change(
    *, member: Member, fields: Mapping[str, Any], moment: datetime, by_member: bool = False
) -> None:
    """Write the fields that are named and differ; the caller has locked the member.

    A shop's system may correct what it knows better; the members themselves (``by_member``) say
    once when they were born.

    :raises Invalid: the date of birth is nobody's.
    :raises MemberErased: the member was erased.
    :raises BirthDateLocked: the member would change or empty the date that is set.
    """
    if member.status == Member.Status.ERASED:
        raise MemberErased
    if "birth_date" in fields and (errors := birth_date_errors(fields["birth_date"], moment)):
        raise Invalid(errors)
    held = member.birth_date
    if by_member and held is not None and fields.get("birth_date", held) != held:
        raise BirthDateLocked
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


@transaction.atomic
def correct_birth_date(
    *, member_id: int, birth_date: date, by: User, why: str, moment: datetime
) -> Member:
    """Set a member's date of birth anew, for a reason, and return the member.

    At most once in a calendar year of the program; the day that stands there already is no
    correction, and counts for nothing.

    :raises Invalid: the date of birth is nobody's, or no reason is given.
    :raises MemberErased: the member was erased.
    :raises BirthDateCorrected: it was corrected in this year before.
    """
    member = (
        Member.objects.select_for_update(no_key=True, of=("self",))
        .select_related("program")
        .get(pk=member_id)
    )
    if not why.strip():
        raise Invalid([FieldError("/why", "required", "Say why.")])
    before = member.birth_date
    change(member=member, fields={"birth_date": birth_date}, moment=moment)
    if before == birth_date:
        return member
    year = calendars.local_day(moment, ZoneInfo(member.program.timezone)).year
    _, is_first = BirthDateChange.objects.get_or_create(
        member=member,
        year=year,
        defaults={"why": why.strip()[:200], "changed_by": by, "changed_at": moment},
    )
    if not is_first:
        raise BirthDateCorrected
    return member
