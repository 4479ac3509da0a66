"""What an act on a row that went into another has to lock, and how its points move on."""

from __future__ import annotations

from datetime import datetime

from members.models import Member
from members.services import moving
from members.services.moving import Move

SOURCE = "merge"


def together(member: Member) -> list[int]:
    """Return the rows to lock for an act on the member: its own and that of its survivor."""
    rows = [member.pk]
    if member.merged_into_id is not None:
        rows.append(member.merged_into_id)
    return rows


def forward(*, member: Member, ref: str, actor: str, moment: datetime) -> None:
    """Move on what came to a merged row after its merge; nothing for any other member.

    The caller has locked both rows with ``together``.
    """
    if member.merged_into_id is None:
        return
    moving.move_all(
        program_id=member.program_id,
        giver=member.pk,
        taker=member.merged_into_id,
        move=move_of(f"forward-{ref}", actor, moment),
    )


def move_of(ref: str, actor: str, moment: datetime) -> Move:
    """Return a move that a merge causes, or an act on a merged row."""
    return Move(source=SOURCE, ref=ref, actor=actor, moment=moment, recorded_at=moment)
