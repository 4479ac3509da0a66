"""Seal what was posted, as soon as nothing can come before it any more.

The hashes are made by ``ledger_seal`` in the database (``members/sql/proof.sql``); this is the
job that calls it, notes how far behind it is, and has checkpoints signed.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from members.models import SealingState
from members.services import checkpoints
from members.services.jobs import Job, Trouble

LEAVES_PER_CHUNK = 5_000


def seal_chunk(moment: datetime, trouble: Trouble) -> int | None:
    """Seal a chunk; when nothing is left, sign what was sealed and note the state."""
    # What is seen here was committed by earlier chunks: a signature about seals that a
    # rollback takes away again would bear false witness for ever.
    if checkpoints.unsigned() >= checkpoints.LEAVES_MAX:
        _sign(moment, trouble)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ledger_seal(%s)", [LEAVES_PER_CHUNK])
        sealed: int = cursor.fetchone()[0]
    if sealed:
        return sealed
    _sign(moment, trouble)
    _note(moment)
    return None


def _sign(moment: datetime, trouble: Trouble) -> None:
    try:
        checkpoints.make(moment=moment)
    except (checkpoints.NoSigningKey, OSError) as error:
        # Sealing goes on: the next checkpoint covers what this one should have.
        trouble.add(f"no checkpoint: {type(error).__name__}: {error}")


def _note(moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_waiting, oldest_xid, is_held FROM ledger_sealing()")
        is_waiting, oldest_xid, is_held = cursor.fetchone()
    state = SealingState.objects.first() or SealingState()
    if not is_waiting:
        state.caught_up_at = moment
    if not is_held:
        state.oldest_since = None
    elif state.oldest_since is None or state.oldest_xid != oldest_xid:
        state.oldest_since = moment
    state.oldest_xid = oldest_xid
    state.save()


SEAL_LEDGER = Job(name="seal_ledger", chunk=seal_chunk)
