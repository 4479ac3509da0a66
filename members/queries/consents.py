"""What a member agrees to now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from members.models import ConsentRecord


@dataclass(frozen=True, slots=True)
class Consent:
    """The latest answer of a member to a purpose by a channel."""

    purpose: str
    channel: str
    granted: bool
    at: datetime
    text_version: str


def latest_consents(member_id: int) -> list[Consent]:
    """Return the newest record of each purpose and channel, in their order."""
    rows = (
        ConsentRecord.objects.filter(member_id=member_id)
        .order_by("purpose", "channel", "-at", "-pk")
        .distinct("purpose", "channel")
    )
    return [
        Consent(row.purpose, row.channel, row.granted, row.at, row.text_version) for row in rows
    ]
