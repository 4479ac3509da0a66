"""Everything small that is held about one member, for staff, in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, TypeVar

import orjson
from django.db import connection

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HeldIdentifier:
    """A way to recognize the member."""

    kind: str
    value: str
    is_primary: bool
    verified_at: datetime | None


@dataclass(frozen=True, slots=True)
class GivenConsent:
    """The latest answer to a purpose by a channel."""

    purpose: str
    channel: str
    granted: bool
    source: str
    text_version: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What the member was told."""

    title: str
    kind: str
    sent_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class TierStay:
    """A stay on a rung with why it began; superseded ones were decided on less."""

    tier: str
    names: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None
    valid_until: datetime | None
    superseded_at: datetime | None
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OpenLot:
    """Points that are left of what was earned together; ``state`` is available or pending."""

    id: int
    transaction: int
    currency: str
    state: str
    points: int
    remaining: int
    earned_at: datetime
    available_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldCurrency:
    """A point currency with the member's posted balance of what is available."""

    id: int
    code: str
    kind: str
    available: int


@dataclass(frozen=True, slots=True)
class CarriedTag:
    """A word on the member; ``expires_at`` None is for good."""

    tag: str
    actor: str
    tagged_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownScore:
    """A figure about the member, and since when it is the same."""

    code: str
    text: str
    value: str | None
    computed_at: datetime


@dataclass(frozen=True, slots=True)
class InSegment:
    """A segment that the member is in."""

    id: int
    code: str
    names: Mapping[str, str]
    entered_at: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is held about a member beside purchases, redemptions and the statement."""

    identifiers: tuple[HeldIdentifier, ...]
    consents: tuple[GivenConsent, ...]
    messages: tuple[SentMessage, ...]
    tiers: tuple[TierStay, ...]
    lots: tuple[OpenLot, ...]
    currencies: tuple[HeldCurrency, ...]
    tags: tuple[CarriedTag, ...]
    scores: tuple[KnownScore, ...]
    segments: tuple[InSegment, ...]


_PARTS: Mapping[str, str] = {
    "identifiers": """
      SELECT i.kind, i.value, i.is_primary, i.verified_at FROM members_identifier i
      WHERE i.member_id = %(member)s::bigint ORDER BY i.kind, i.is_primary DESC, i.id""",
    "consents": """
      SELECT DISTINCT ON (c.purpose, c.channel)
        c.purpose, c.channel, c.granted, c.source, c.text_version, c.at
      FROM members_consentrecord c WHERE c.member_id = %(member)s::bigint
      ORDER BY c.purpose, c.channel, c.at DESC, c.id DESC""",
    "messages": """
      SELECT m.title, m.kind, m.sent_at, m.read_at FROM members_message m
      WHERE m.member_id = %(member)s::bigint ORDER BY m.sent_at DESC, m.id DESC
      LIMIT %(limit)s::int""",
    "tiers": """
      SELECT t.code AS tier, t.name AS names, s.starts_at, s.ends_at, s.valid_until,
        s.superseded_at, s.evidence
      FROM members_tiermembership s JOIN members_tier t ON t.id = s.tier_id
      WHERE s.member_id = %(member)s::bigint
      ORDER BY s.superseded_at IS NOT NULL, s.starts_at DESC, s.id DESC LIMIT %(limit)s::int""",
    "lots": """
      SELECT l.id, l.transaction_id AS transaction, c.code AS currency, a.kind AS state, l.points,
        l.remaining, l.earned_at, l.available_at,
        ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id) AS expires_at
      FROM members_ledgeraccount a JOIN members_pointcurrency c ON c.id = a.currency_id
      JOIN members_pointlot l ON l.account_id = a.id AND l.remaining > 0
      WHERE a.member_id = %(member)s::bigint
      ORDER BY 9, l.id LIMIT %(limit)s::int""",
    "currencies": """
      SELECT c.id, c.code, c.kind, coalesce(a.balance, 0) AS available
      FROM members_member m JOIN members_pointcurrency c ON c.program_id = m.program_id
      LEFT JOIN members_ledgeraccount a
        ON a.member_id = m.id AND a.currency_id = c.id AND a.kind = 'available'
      WHERE m.id = %(member)s::bigint ORDER BY c.is_retired, c.position, c.id""",
    "tags": """
      SELECT t.tag, t.actor, t.tagged_at, t.expires_at FROM members_membertag t
      WHERE t.member_id = ANY (
        SELECT unnest(m.id || m.absorbed) FROM members_member m WHERE m.id = %(member)s::bigint)
        AND (t.expires_at IS NULL OR t.expires_at > %(moment)s::timestamptz)
      ORDER BY t.tag, t.id LIMIT %(limit)s::int""",
    "scores": """
      SELECT s.code, s.text, trim_scale(s.value)::text AS value, s.computed_at
      FROM members_memberscore s
      WHERE s.member_id = %(member)s::bigint ORDER BY s.code""",
    "segments": """
      SELECT g.id, g.code, g.name AS names, x.entered_at FROM members_segmentmembership x
      JOIN members_segment g ON g.id = x.segment_id AND NOT g.is_retired
      WHERE x.member_id = %(member)s::bigint ORDER BY g.code LIMIT %(limit)s::int""",
}
# json keeps the order of the rows, and a number of any size.
_DOSSIER = "SELECT " + ", ".join(
    f"(SELECT coalesce(json_agg(p), '[]')::text FROM ({part}) p)" for part in _PARTS.values()
)


def dossier(*, member_id: int, limit: int, moment: datetime) -> Dossier:
    """Return what is held at the moment about a member who exists.

    At most ``limit`` rows of what grows.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DOSSIER, {"member": member_id, "limit": limit, "moment": moment})
        found = dict(zip(_PARTS, map(orjson.loads, cursor.fetchone()), strict=True))
    return Dossier(
        identifiers=_read(HeldIdentifier, found["identifiers"]),
        consents=_read(GivenConsent, found["consents"]),
        messages=_read(SentMessage, found["messages"]),
        tiers=_read(TierStay, found["tiers"]),
        lots=_read(OpenLot, found["lots"]),
        currencies=_read(HeldCurrency, found["currencies"]),
        tags=_read(CarriedTag, found["tags"]),
        scores=_read(KnownScore, found["scores"]),
        segments=_read(InSegment, found["segments"]),
    )


def _read(kind: type[T], rows: Iterable[Mapping[str, Any]]) -> tuple[T, ...]:
    """Make the rows; what is named like a moment is one."""
    moments = {
        field.name
        for field in fields(kind)  # type: ignore[arg-type]
        if field.name.endswith("_at") or field.name in {"at", "valid_until"}
    }
    return tuple(
        kind(
            **{
                name: datetime.fromisoformat(value) if name in moments and value else value
                for name, value in row.items()
            }
        )
        for row in rows
    )
