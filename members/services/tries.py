"""Keep a member from guessing: who is wrong five times in a row waits a quarter of an hour."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from loyalty_site.lib.errors import DomainError
from members.models import WrongTries

TRIES: Final = 5
LOCKED: Final = timedelta(minutes=15)
# What was wrong so long ago is no guessing any more.
FORGOTTEN: Final = timedelta(hours=24)


class TriedTooOften(DomainError):
    """Too many wrong guesses came one after the other."""

    code = "tried_too_often"
    status = 429
    title = "Tried too often"
    cause = "Five guesses in a row were wrong, and what is guessed at must not be found by chance."
    remedy = "Wait until the time that the answer names, then try again with care."


def check(*, member_id: int, act: str, moment: datetime) -> None:
    """Let a try pass, unless the member has to wait.

    :raises TriedTooOften: with ``retry_after`` in seconds.
    """
    until = (
        WrongTries.objects.filter(member_id=member_id, act=act, locked_until__gt=moment)
        .values_list("locked_until", flat=True)
        .first()
    )
    if until is not None:
        seconds = math.ceil((until - moment).total_seconds())
        raise TriedTooOften(f"Try again in {math.ceil(seconds / 60)} min.", retry_after=seconds)


def wrong(*, member_id: int, act: str, moment: datetime) -> int:
    """Count a wrong guess and return how many are left before the member has to wait.

    To be called outside the transaction of the act, which a refusal undoes. Guesses that
    arrive together are all counted.
    """
    figures: dict[str, str | int | datetime] = {
        "member": member_id,
        "act": act,
        "moment": moment,
        "forgotten": moment - FORGOTTEN,
        "tries": TRIES,
        "until": moment + LOCKED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, figures)
        counted: int = cursor.fetchone()[0]
    return max(0, TRIES - counted)


def right(*, member_id: int, act: str) -> None:
    """Forget the wrong guesses: who knew it in the end has not been guessing."""
    WrongTries.objects.filter(member_id=member_id, act=act).delete()


# A count begins anew where the latest guess is long ago, or its time of waiting is over.
_AGAIN: Final = """CASE WHEN t.changed_at < %(forgotten)s::timestamptz
  OR t.locked_until <= %(moment)s::timestamptz THEN 1 ELSE t.wrong + 1 END"""
_COUNT: Final = f"""
INSERT INTO members_wrongtries AS t (member_id, act, wrong, changed_at)
VALUES (%(member)s, %(act)s, 1, %(moment)s)
ON CONFLICT (member_id, act) DO UPDATE SET
  wrong = {_AGAIN},
  locked_until = CASE WHEN {_AGAIN} >= %(tries)s THEN %(until)s::timestamptz END,
  changed_at = excluded.changed_at
RETURNING wrong
"""
