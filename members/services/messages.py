"""The inbox of members."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from members.models import Member, Message


def mark_read(*, member: Member, public_id: UUID, moment: datetime) -> Message | None:
    """Note when the member read a message, and return it; None when it is not theirs.

    The first reading counts.
    """
    mine = Message.objects.filter(member=member, public_id=public_id)
    mine.filter(read_at=None).update(read_at=moment)
    return mine.first()
