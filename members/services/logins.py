"""Which membership a login opens.

A login joins a member through an address that the person proved to read and that was given when
the member enrolled. What a till added later opens nothing. A member never has two logins.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import transaction

from loyalty_site.lib.errors import DomainError
from members.models import Identifier, Member, Program, User
from members.numbers import Identified, NotAnIdentifier, normalized
from members.services import identifiers as identifier_services
from members.services.enrolment import Person, create_member

EMAIL = Identifier.Kind.EMAIL.value
CLOSED = (Member.Status.ERASED, Member.Status.CLOSED, Member.Status.MERGED)


class AlreadyJoined(DomainError):
    """The member or the login belongs to somebody else already."""

    code = "already_joined"
    title = "The member or the login is joined already"
    cause = "A member has at most one login, and a login at most one member."
    remedy = "Take the other login or member off first."


@transaction.atomic
def join(*, user: User, moment: datetime, locale: str = "") -> Member | None:
    """Return the member whom the login opens, joining or enrolling the person if need be.

    ``locale`` is the language of a person who enrolls so. A repeat changes nothing. None for
    staff, without a verified address, and while there is no program.
    """
    # Two logins of one person at the same moment must not enroll them twice.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    addresses = _verified_addresses(user)
    identifier_services.lock(addresses)
    member = Member.objects.filter(user=user).first()
    program = Program.objects.order_by("pk").first()
    if member is None and not user.is_staff and program is not None and addresses:
        member = _enrolled_with(program, addresses)
        if member is None:
            return _enrol(program, user, addresses, moment, locale)
        member.user = user
        member.save(update_fields=["user"])
    if member is not None:
        _note_verified(member, addresses, moment)
    return member


@transaction.atomic
def link(*, member: Member, user: User, moment: datetime) -> None:
    """Join a login to a member by decision of staff, who know the person.

    :raises AlreadyJoined: one of the two is joined already.
    """
    locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    if locked.user_id not in {None, user.pk} or locked.status in CLOSED:
        raise AlreadyJoined
    if Member.objects.filter(user=user).exclude(pk=member.pk).exists():
        raise AlreadyJoined
    locked.user = user
    locked.save(update_fields=["user"])
    addresses = _verified_addresses(user)
    identifier_services.lock(addresses)
    _note_verified(locked, addresses, moment)


def _verified_addresses(user: User) -> list[Identified]:
    rows = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary", "pk")
    found = []
    for address in rows.values_list("email", flat=True):
        try:
            found.append(Identified(EMAIL, normalized(EMAIL, address)))
        except NotAnIdentifier:
            continue
    return found


def _enrolled_with(program: Program, addresses: Sequence[Identified]) -> Member | None:
    """Return the member without a login who enrolled with one of the addresses, locked."""
    rows = Identifier.objects.filter(
        program=program,
        kind=EMAIL,
        value__in=[address.value for address in addresses],
        is_from_enrolment=True,
    )
    owners = dict(rows.values_list("value", "member_id"))
    for address in addresses:
        if address.value in owners:
            free = Member.objects.select_for_update(no_key=True).filter(
                pk=owners[address.value], user=None
            )
            member = free.exclude(status__in=CLOSED).first()
            if member is not None:
                return member
    return None


def _enrol(
    program: Program, user: User, addresses: Sequence[Identified], moment: datetime, locale: str
) -> Member:
    member = create_member(
        program=program,
        person=Person(locale=locale),
        moment=moment,
        enrolled_at=moment,
        source_channel="online",
        user=user,
    )
    free = _claim(member, addresses)
    identifier_services.add(
        member=member,
        identifiers=free,
        moment=moment,
        is_from_enrolment=True,
        verified_at=moment,
    )
    return member


def _note_verified(member: Member, addresses: Sequence[Identified], moment: datetime) -> None:
    """Keep which addresses the member proved to read; one that is missing is added."""
    values = [address.value for address in addresses]
    member.identifiers.filter(kind=EMAIL, value__in=values, verified_at=None).update(
        verified_at=moment
    )
    free = _claim(member, addresses)
    identifier_services.add(member=member, identifiers=free, moment=moment, verified_at=moment)


def _claim(member: Member, addresses: Sequence[Identified]) -> list[Identified]:
    """Return the addresses that the member may have.

    Who reads a mailbox has a better claim to it than a member to whom a till once added it;
    what another member gave at enrollment or proved to read stays theirs.
    """
    others = Identifier.objects.filter(
        program_id=member.program_id,
        kind=EMAIL,
        value__in=[address.value for address in addresses],
    ).exclude(member=member)
    others.filter(verified_at=None, is_from_enrolment=False).delete()
    taken = set(others.values_list("value", flat=True))
    return [address for address in addresses if address.value not in taken]
