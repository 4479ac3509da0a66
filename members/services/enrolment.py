"""How a person becomes a member."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from loyalty_site.lib.problems import FieldError, Invalid
from members import grading
from members.models import Identifier, Member, Program, Tier, TierMembership, User
from members.numbers import (
    BODY_MAX,
    BODY_MIN,
    Identified,
    NotAnIdentifier,
    member_number,
    normalized,
)
from members.queries.program import current_program
from members.services import consents as consent_services
from members.services import identifiers as identifier_services
from members.services import outbox
from members.services.accounts import open_accounts
from members.services.consents import Answer
from members.services.profile import birth_date_errors

# How far the clock of a till may be ahead.
CLOCK_AHEAD_MAX = timedelta(minutes=5)


class Enrolled(NamedTuple):
    """The member, and whether the person is new."""

    member: Member
    created: bool


@dataclass(frozen=True, slots=True)
class Person:
    """What is told of a person at enrollment; everything may be left out."""

    first_name: str = ""
    last_name: str = ""
    birth_date: date | None = None
    locale: str = ""
    timezone: str = ""


@transaction.atomic
def enrol(
    *,
    identifiers: Iterable[tuple[str, str]],
    moment: datetime,
    actor: str,
    first_name: str = "",
    last_name: str = "",
    birth_date: date | None = None,
    locale: str = "",
    timezone: str = "",
    source_channel: str = "",
    referral_code: str = "",
    consents: Sequence[Answer] = (),
    enrolled_at: datetime | None = None,
) -> Enrolled:
    """Return the member of these identifiers, enrolled now if nobody has them.

    ``identifiers`` are pairs of kind and value, as written. A member who has some of them is
    returned unchanged but for the missing ones, which are added unverified and give no
    access. Two tills that enroll the same person at once get the same member.

    :raises Invalid: an identifier cannot be one, there is none, or a date lies ahead.
    :raises IdentifierConflict: the identifiers belong to two members.
    """
    given = read_identifiers(identifiers)
    _check_dates(birth_date, enrolled_at, moment)
    program = current_program()
    identifier_services.lock(given)
    known = _known_member(program, given)
    if known is not None:
        identifier_services.add(member=known, identifiers=given, moment=moment)
        return Enrolled(known, created=False)
    member = create_member(
        program=program,
        person=Person(first_name, last_name, birth_date, locale, timezone),
        moment=moment,
        enrolled_at=enrolled_at or moment,
        source_channel=source_channel,
        referral_code=referral_code,
    )
    identifier_services.add(member=member, identifiers=given, moment=moment, is_from_enrolment=True)
    # The kind of caller only: consents are kept for ever, and a channel is the till's own words.
    source = actor.partition(":")[0]
    consent_services.record_answers(member=member, answers=consents, source=source, moment=moment)
    return Enrolled(member, created=True)


def create_member(
    *,
    program: Program,
    person: Person,
    moment: datetime,
    enrolled_at: datetime,
    source_channel: str,
    referral_code: str = "",
    user: User | None = None,
) -> Member:
    """Return a new member with accounts, the lowest tier and the news of it; no identifiers."""
    member = Member.objects.create(
        program=program,
        number=_new_number(),
        user=user,
        first_name=person.first_name,
        last_name=person.last_name,
        birth_date=person.birth_date,
        locale=person.locale,
        timezone=person.timezone,
        source_channel=source_channel,
        referral_code=referral_code,
        enrolled_at=enrolled_at,
        recorded_at=moment,
        changed_at=moment,
    )
    open_accounts([member.pk])
    _start_on_lowest_tier(member, moment)
    outbox.record(
        program_id=program.pk,
        kind="member_enrolled",
        member_id=member.pk,
        payload={"member": str(member.public_id)},
        moment=moment,
    )
    return member


def read_identifiers(pairs: Iterable[tuple[str, str]]) -> list[Identified]:
    """Return the identifiers normalized, each once, in the order given.

    :raises Invalid: there is none, or some cannot be identifiers; all are named.
    """
    found: dict[Identified, None] = {}
    errors = []
    index = -1
    for index, (kind, value) in enumerate(pairs):
        try:
            found[Identified(kind, normalized(kind, value))] = None
        except NotAnIdentifier as fault:
            errors.append(FieldError(f"/identifiers/{index}/value", fault.code, fault.detail))
    if index < 0:
        errors.append(FieldError("/identifiers", "required", "At least one is needed."))
    if errors:
        raise Invalid(errors)
    return list(found)


def _check_dates(birth_date: date | None, enrolled_at: datetime | None, moment: datetime) -> None:
    errors = birth_date_errors(birth_date, moment)
    if enrolled_at is not None and enrolled_at > moment + CLOCK_AHEAD_MAX:
        detail = "The enrollment lies more than 5 minutes ahead."
        errors.append(FieldError("/enrolled_at", "in_the_future", detail))
    if errors:
        raise Invalid(errors)


def _known_member(program: Program, given: Sequence[Identified]) -> Member | None:
    """Return the member who has some of the identifiers, locked."""
    while (found := identifier_services.owner_of(program.pk, given)) is not None:
        member = Member.objects.select_for_update(no_key=True).get(pk=found)
        # Whoever was erased between the look-up and the lock has no identifiers any more, so
        # that looking again ends.
        if member.status != Member.Status.ERASED:
            return member
    return None


def _new_number() -> str:
    """Return a number that nobody has, drawn so that numbers tell nothing about each other."""
    while True:
        number = member_number(BODY_MIN + secrets.randbelow(BODY_MAX - BODY_MIN + 1))
        is_taken = (
            Member.objects.filter(number=number).exists()
            # A card may look like a member number; it must not become somebody else's.
            or Identifier.objects.filter(value=number).exists()
        )
        if not is_taken:
            return number


def _start_on_lowest_tier(member: Member, moment: datetime) -> None:
    tiers: Mapping[str, Tier] = {
        tier.code: tier
        for tier in Tier.objects.filter(program_id=member.program_id, is_retired=False).order_by(
            "threshold", "pk"
        )
    }
    if not tiers:
        return
    ladder = grading.Ladder(
        tuple(grading.Rung(tier.code, tier.threshold) for tier in tiers.values())
    )
    standing = grading.enrolled(ladder, member.enrolled_at)
    TierMembership.objects.create(
        member=member,
        tier=tiers[standing.tier],
        starts_at=standing.starts_at,
        valid_until=standing.valid_until,
        evidence=dict(standing.evidence),
        recorded_at=moment,
    )
