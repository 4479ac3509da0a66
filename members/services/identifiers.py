"""The ways to recognize a member: who has them already, and adding them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from loyalty_site.lib.errors import DomainError
from members.models import Identifier, Member
from members.numbers import NUMBER, Identified, is_member_number
from members.queries.lookup import owners

# Waiting in the order of the keys, so that two tills with the same cards never wait for each
# other. An identifier that nobody has yet is no row that could be locked.
_LOCK = """
SELECT pg_advisory_xact_lock(k.key) FROM (
  SELECT DISTINCT hashtextextended('identifier ' || v.value, 3) AS key
  FROM unnest(%s::text[]) v(value) ORDER BY 1) k
"""


class IdentifierConflict(DomainError):
    """The identifiers of one person belong to two members."""

    code = "identifier_conflict"
    title = "The identifiers belong to different members"
    cause = "Each of the identifiers is known, and they do not lead to the same member."
    remedy = "Ask the person which membership is theirs; staff can bring two together."


def lock(identifiers: Iterable[Identified]) -> None:
    """Let no other transaction give these identifiers to anybody until this one ends."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [[f"{item.kind} {item.value}" for item in identifiers]])


def owner_of(program_id: int, identifiers: Sequence[Identified]) -> int | None:
    """Return the key of the one member who has some of the identifiers, None for nobody.

    A card or external id that is a member number belongs to the member of that number:
    tills read the number from the app like a card.

    :raises IdentifierConflict: they belong to more than one member.
    """
    found = set(owners(program_id, [_readings(item) for item in identifiers])) - {None}
    if len(found) > 1:
        raise IdentifierConflict
    return found.pop() if found else None


def add(
    *,
    member: Member,
    identifiers: Sequence[Identified],
    moment: datetime,
    is_from_enrolment: bool = False,
    verified_at: datetime | None = None,
) -> list[Identifier]:
    """Give the member what is missing of the identifiers; the first of a kind is primary.

    The caller has locked the identifiers and the member, and knows that nobody else has them.
    """
    held = {Identified(row.kind, row.value) for row in member.identifiers.all()}
    kinds = set(
        member.identifiers.filter(is_primary=True).values_list("kind", flat=True).order_by("kind")
    )
    added = []
    for item in dict.fromkeys(identifiers):
        if item in held or item.value == member.number:
            continue
        added.append(
            Identifier(
                program_id=member.program_id,
                member=member,
                kind=item.kind,
                value=item.value,
                verified_at=verified_at,
                is_primary=item.kind not in kinds,
                is_from_enrolment=is_from_enrolment,
                added_at=moment,
            )
        )
        kinds.add(item.kind)
    return Identifier.objects.bulk_create(added)


def _readings(item: Identified) -> list[Identified]:
    may_be_number = item.kind in {Identifier.Kind.CARD, Identifier.Kind.EXTERNAL_ID}
    if may_be_number and is_member_number(item.value):
        return [item, Identified(NUMBER, item.value)]
    return [item]
