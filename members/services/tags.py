"""Put tags on members and take them off, for staff and for rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from loyalty_site.lib.errors import DomainError
from members.models import Member, MemberTag
from members.models.standing import TAG_PATTERN

TAG_LENGTH_MAX: Final = 64

# The member's row is locked, so that no tag comes between an erasure and its end. A tag that has
# ended begins anew; one that has not keeps the later of both ends.
_TAG: Final = """
WITH person AS (
  SELECT id FROM members_member
  WHERE id = %(member)s::bigint AND status NOT IN ('erased', 'merged', 'pool')
  FOR NO KEY UPDATE)
INSERT INTO members_membertag AS t (member_id, tag, actor, tagged_at, expires_at)
  SELECT id, %(tag)s, %(actor)s, %(moment)s::timestamptz, %(ends)s::timestamptz FROM person
ON CONFLICT (member_id, tag) DO UPDATE SET
  actor = excluded.actor,
  tagged_at = CASE WHEN t.expires_at <= excluded.tagged_at THEN excluded.tagged_at
    ELSE t.tagged_at END,
  expires_at = CASE WHEN t.expires_at <= excluded.tagged_at THEN excluded.expires_at
    WHEN t.expires_at IS NULL OR excluded.expires_at IS NULL THEN NULL
    ELSE greatest(t.expires_at, excluded.expires_at) END
RETURNING id"""


class TagUnsuitable(DomainError):
    """The tag is no word of small letters, or ends before it begins."""

    code = "tag_unsuitable"
    status = 422
    title = "This cannot be a tag"
    cause = (
        "A tag is a word of at most 64 small letters, digits, hyphens and underscores, "
        "and ends after it begins."
    )
    remedy = "Write the tag as one word, such as likes-cheese."


class MemberNotTagged(DomainError):
    """The member is erased or went into another one."""

    code = "member_not_tagged"
    title = "This member takes no tags"
    cause = "The member was erased, or was merged into another member."
    remedy = "Tag the member whom the other went into."


def tag(
    *, member_id: int, tag: str, actor: str, moment: datetime, expires_at: datetime | None = None
) -> MemberTag:
    """Put the tag on the member until ``expires_at``; None is for good.

    A repeat keeps the later of both ends, so that no act shortens what another one gave.

    :raises TagUnsuitable: it is no word, or ends before ``moment``.
    :raises MemberNotTagged: the member is erased or merged.
    """
    require_word(tag)
    if expires_at is not None and expires_at <= moment:
        raise TagUnsuitable("The tag would end before it begins.")
    with connection.cursor() as cursor:
        told: dict[str, Any] = {"member": member_id, "tag": tag, "actor": actor[:64]}
        cursor.execute(_TAG, {**told, "moment": moment, "ends": expires_at})
        row = cursor.fetchone()
    if row is None:
        raise MemberNotTagged
    return MemberTag.objects.get(pk=row[0])


def require_word(text: str) -> None:
    """Let pass what can be a tag.

    :raises TagUnsuitable: it is empty, too long or has other characters.
    """
    if len(text) > TAG_LENGTH_MAX or not re.fullmatch(TAG_PATTERN, text):
        raise TagUnsuitable(f"{text[:TAG_LENGTH_MAX]!r} is no tag.")


@transaction.atomic
def untag(*, member_id: int, tag: str, given_by: str | None = None) -> bool:
    """Take the tag off the member; return whether they had it. A repeat finds none.

    With ``given_by`` only where that actor gave it last, so that the return of a purchase leaves
    alone what staff said meanwhile.
    """
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    found = MemberTag.objects.filter(member_id__in=member.rows, tag=tag)
    if given_by is not None:
        found = found.filter(actor=given_by[:64])
    return found.delete()[0] > 0


def carried(*, member_id: int, tag: str, moment: datetime) -> dict[str, str | None] | None:
    """Return who gave the tag that the member carries at ``moment``, since when and until when.

    None where they carry none. It is what ``put_back`` takes.
    """
    row = MemberTag.objects.filter(member_id=member_id, tag=tag).exclude(expires_at__lte=moment)
    found = row.first()
    if found is None:
        return None
    ends = found.expires_at
    return {
        "actor": found.actor,
        "tagged_at": found.tagged_at.isoformat(),
        "expires_at": ends.isoformat() if ends else None,
    }


@transaction.atomic
def put_back(
    *,
    member_id: int,
    tag: str,
    given_by: str,
    before: Mapping[str, str | None] | None,
    moment: datetime,
) -> bool:
    """Bring a tag back to what ``carried`` said before ``given_by`` gave it.

    Returns False, and changes nothing, where somebody else gave it or took it off since.
    """
    ended = before is not None and _has_ended(before, moment)
    if before is None or ended:
        return untag(member_id=member_id, tag=tag, given_by=given_by)
    member = Member.objects.select_for_update(no_key=True).get(pk=member_id)
    found = MemberTag.objects.filter(member_id__in=member.rows, tag=tag, actor=given_by[:64])
    return found.update(**before) > 0


def _has_ended(before: Mapping[str, str | None], moment: datetime) -> bool:
    ends = before["expires_at"]
    return ends is not None and datetime.fromisoformat(ends) <= moment


def remove_ended(*, moment: datetime) -> int:
    """Delete the tags that have ended; return how many. A repeat finds none."""
    return MemberTag.objects.filter(expires_at__lte=moment).delete()[0]
