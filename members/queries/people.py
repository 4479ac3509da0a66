"""What is shown of members: their fields, identifiers and tier, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection


@dataclass(frozen=True, slots=True)
class IdentifierView:
    """A way to recognize a member."""

    kind: str
    value: str
    verified_at: datetime | None
    is_primary: bool


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member as shown; ``tier_name`` holds the name per language."""

    id: int
    public_id: UUID
    number: str
    status: str
    first_name: str
    last_name: str
    birth_date: date | None
    locale: str
    timezone: str
    enrolled_at: datetime
    source_channel: str
    referral_code: str
    program_locale: str
    identifiers: tuple[IdentifierView, ...]
    tier_code: str | None
    tier_name: Mapping[str, str]
    attributes: Mapping[str, Any]


# The tier held at the moment; whoever is enrolled a little ahead of it shows the first one.
_VIEW = """
SELECT m.id, m.public_id, m.number, m.status, m.first_name, m.last_name, m.birth_date,
  m.locale, m.timezone, m.enrolled_at, m.source_channel, m.referral_code, p.locale,
  (SELECT coalesce(jsonb_agg(jsonb_build_array(i.kind, i.value, i.verified_at, i.is_primary)
     ORDER BY i.kind, i.is_primary DESC, i.id), '[]')
   FROM members_identifier i WHERE i.member_id = m.id),
  t.code, t.name,
  (SELECT coalesce(jsonb_object_agg(d.code, CASE d.kind
       WHEN 'number' THEN to_jsonb(trim_scale(v.number)::text) WHEN 'bool' THEN to_jsonb(v.flag)
       WHEN 'multi' THEN to_jsonb(v.texts) ELSE to_jsonb(v.text) END), '{}')
   FROM members_memberattribute v JOIN members_attributedefinition d ON d.id = v.definition_id
   WHERE v.member_id = m.id AND NOT d.is_retired)
FROM members_member m
JOIN members_program p ON p.id = m.program_id
LEFT JOIN LATERAL (
  SELECT s.tier_id FROM members_tiermembership s
  WHERE s.member_id = m.id AND s.superseded_at IS NULL
  ORDER BY s.starts_at <= %(moment)s::timestamptz DESC,
    CASE WHEN s.starts_at <= %(moment)s::timestamptz THEN s.starts_at END DESC, s.starts_at, s.id
  LIMIT 1) s ON true
LEFT JOIN members_tier t ON t.id = s.tier_id
WHERE m.id = %(id)s::bigint
"""


def member_view(member_id: int, moment: datetime) -> MemberView:
    """Return what is shown of a member who exists."""
    with connection.cursor() as cursor:
        cursor.execute(_VIEW, {"id": member_id, "moment": moment})
        *fields, identifiers, tier_code, tier_name, told = cursor.fetchone()
    views = tuple(_identifier(*row) for row in orjson.loads(identifiers))
    names = orjson.loads(tier_name) if tier_name else {}
    values: list[Any] = [*fields, views, tier_code, names, orjson.loads(told)]
    return MemberView(*values)


def _identifier(kind: str, value: str, verified_at: str | None, is_primary: Any) -> IdentifierView:
    at = None if verified_at is None else datetime.fromisoformat(verified_at)
    return IdentifierView(kind, value, at, is_primary)
