"""Repeating an act that PostgreSQL gave up for the sake of another transaction."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection

from loyalty_site.lib.problems import Unavailable

T = TypeVar("T")

# Serialization failure, deadlock, lock not available: the act left nothing behind
# and may well succeed the next time.
PASSING = frozenset({"40001", "40P01", "55P03"})

RETRIES_MAX = 4
RETRY_SECONDS_MAX = 1.0


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE that PostgreSQL gave, or None where none was given."""
    return getattr(error.__cause__, "sqlstate", None) or getattr(error, "sqlstate", None)


def retrying(act: Callable[[], T]) -> T:
    """Return the result of ``act``, repeated at most 4 times within 1 s.

    ``act`` opens and commits its own transaction. Inside an open transaction it
    runs once, since only the whole transaction could be repeated.

    :raises Unavailable: PostgreSQL refused the act every time.
    """
    started = time.monotonic()
    for attempt in range(RETRIES_MAX + 1):
        try:
            return act()
        except OperationalError as error:
            if sqlstate_of(error) not in PASSING or connection.in_atomic_block:
                raise
            # The pause doubles and is drawn at random, so that two transactions
            # that collided do not collide again.
            pause = random.uniform(0.5, 1.5) * 0.02 * 2**attempt
            elapsed = time.monotonic() - started
            if attempt == RETRIES_MAX or elapsed + pause > RETRY_SECONDS_MAX:
                raise Unavailable(retry_after=1) from error
            time.sleep(pause)
    raise AssertionError("the loop returns or raises")
