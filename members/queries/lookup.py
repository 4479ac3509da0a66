"""Who is meant: members found by id, identifier, member number or the code of their card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from loyalty_site.lib.errors import DomainError
from members import cards
from members.models import Member, Program
from members.numbers import NUMBER, Identified, candidates


class UnknownMember(DomainError):
    """Nobody is known by that id or identifier."""

    code = "unknown_member"
    status = 422
    title = "The member is unknown"
    cause = "No member has this id, identifier or member number, or the member was erased."
    remedy = "Look the member up, or enroll the person first."


# Identifiers before numbers and in the order of the candidates, so that one text always leads
# to the same member.
_FIND = """
SELECT DISTINCT ON (f.n) f.n, f.member_id
FROM (
  SELECT c.n, c.place, i.member_id
  FROM unnest(%s::int[], %s::int[], %s::text[], %s::text[]) c(n, place, kind, value)
  JOIN members_identifier i
    ON i.value = c.value AND i.kind = c.kind AND i.program_id = %s
  UNION ALL
  -- The number of a row that went into another still names the person.
  SELECT c.n, c.place, coalesce(m.merged_into_id, m.id)
  FROM unnest(%s::int[], %s::text[]) WITH ORDINALITY c(n, value, place)
  JOIN members_member m ON m.number = c.value AND m.program_id = %s
    AND m.status NOT IN ('erased', 'pool')
) f
ORDER BY f.n, f.place, f.member_id
"""


def owners(program_id: int, wanted: Sequence[Iterable[Identified]]) -> list[int | None]:
    """Return for each list of candidates the key of the member whom the first hit names."""
    rows = [
        (n, place, candidate)
        for n, listed in enumerate(wanted)
        for place, candidate in enumerate(listed)
    ]
    named = [row for row in rows if row[2].kind != NUMBER]
    numbered = [row for row in rows if row[2].kind == NUMBER]
    found: list[int | None] = [None] * len(wanted)
    if not rows:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND,
            [
                [n for n, _, _ in named],
                [place for _, place, _ in named],
                [candidate.kind for _, _, candidate in named],
                [candidate.value for _, _, candidate in named],
                program_id,
                [n for n, _, _ in numbered],
                [candidate.value for _, _, candidate in numbered],
                program_id,
            ],
        )
        for n, member_id in cursor.fetchall():
            found[n] = member_id
    return found


def find_member(program: Program, text: str, moment: datetime) -> Member | None:
    """Return whom a text names: an identifier of any kind, a member number, a card's code.

    The code of a card is good for a minute around ``moment``.
    """
    number = cards.number_in(text)
    if number is not None:
        member = Member.objects.filter(program=program, number=number).first()
        if member is None or member.status == Member.Status.ERASED:
            return None
        if not cards.is_valid(text, member.card_secret, number, moment):
            return None
        return _survivor(member)
    member_id = owners(program.pk, [candidates(text)])[0]
    return None if member_id is None else Member.objects.filter(pk=member_id).first()


def _survivor(member: Member | None) -> Member | None:
    """Return the member whom a row went into, or the row itself."""
    return member.merged_into or member if member is not None else None


def resolve_member(
    *, program: Program, moment: datetime, id: UUID | None = None, identifier: str | None = None
) -> Member:
    """Return the member whom a reference of the API means, by ``id`` or ``identifier``.

    :raises UnknownMember: there is none, or the member was erased.
    """
    member = None
    if id is not None:
        member = _survivor(
            Member.objects.filter(program=program, public_id=id)
            .exclude(status__in=[Member.Status.ERASED, Member.Status.POOL])
            .first()
        )
    elif identifier is not None:
        member = find_member(program, identifier, moment)
    if member is None:
        raise UnknownMember
    return member
