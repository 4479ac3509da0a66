"""One key, one answer: idempotency keys as intake takes and keeps them.

A refusal is never kept, so that no savepoint is needed: it undoes the whole transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson
from django.db import connection, transaction

from loyalty_site.lib.idempotency import IdempotencyKeyReused, RequestInProgress
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.wire import dumps


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with what a repeat must have in common."""

    caller: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True)
class Outcome:
    """An answer; ``replayed`` when an earlier request did the work."""

    status: int
    body: Any
    replayed: bool = False

    @cached_property
    def text(self) -> str:
        """Return the body as JSON: written once, for the caller and for whoever repeats."""
        return dumps(self.body).decode()


def kept_answer(found: Mapping[str, Any]) -> Outcome | None:
    """Return the answer in what ``idempotency_begin`` found, None for a new key.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to another request.
    """
    if found["state"] == "new":
        return None
    if found["state"] == "busy":
        raise RequestInProgress
    if found["state"] == "reused":
        raise IdempotencyKeyReused
    return Outcome(found["status"], found["body"], replayed=True)


def begin(key: Key) -> Outcome | None:
    """Take the key for the open transaction; return the kept answer of an earlier request.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to another request.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idempotency_begin(%s::text, %s::text, %s::bytea)",
            [key.caller, key.key, key.fingerprint],
        )
        return kept_answer(orjson.loads(cursor.fetchone()[0]))


def look_up(key: Key) -> Outcome | None:
    """Return what is kept under the key, without keeping it taken.

    For a request that is refused before it is acted on: the key comes first.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to another request.
    """

    def act() -> Outcome | None:
        with transaction.atomic():
            return begin(key)

    return retrying(act)


def keep(key: Key, answer: Outcome, member_pk: int | None, moment: datetime) -> None:
    """Keep an answer under the key that the open transaction has taken."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idempotency_store(%s::text, %s::text, %s::bytea, %s::int, %s::jsonb,"
            " %s::bigint, %s::timestamptz)",
            [
                *(key.caller, key.key, key.fingerprint),
                *(answer.status, answer.text, member_pk, moment),
            ],
        )
