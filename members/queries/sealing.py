"""How far the seals are behind what was posted."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

from members.models import SealingState


def sealing_lags(*, moment: datetime) -> dict[str, int | None]:
    """Return the lags in seconds, None where sealing never ran; without a lag it has no name.

    ``seals``: how long at most the oldest transaction has waited for its seal. ``xmin``: for how
    long a database transaction has been open that holds back everything after it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT is_waiting, oldest_xid, is_held FROM ledger_sealing()")
        is_waiting, oldest_xid, is_held = cursor.fetchone()
    state = SealingState.objects.first() or SealingState()
    lags: dict[str, int | None] = {}
    if is_waiting:
        lags["seals"] = _seconds(state.caught_up_at, moment)
    if is_held and state.oldest_xid == oldest_xid and state.oldest_since is not None:
        lags["xmin"] = _seconds(state.oldest_since, moment)
    return lags


def _seconds(since: datetime | None, moment: datetime) -> int | None:
    return None if since is None else int((moment - since).total_seconds())
