"""One key, one act: the answer to a keyed request is kept with what the request did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from loyalty_site.lib import problems
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.idempotency import IdempotencyKeyReused, RequestInProgress
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.wire import dumps

# What an act gives back: the status, the body, and whose data the body holds.
Outcome = tuple[int, Any, int | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a keyed request; ``replayed`` when an earlier request did the work."""

    status: int
    body: Any
    replayed: bool


def run(
    *,
    caller: str,
    key: str,
    fingerprint: bytes,
    moment: datetime,
    act: Callable[[], Outcome],
    request_id: str | None = None,
) -> Answer:
    """Return the answer of ``act``, or the one kept under the key by an earlier request.

    What ``act`` writes and its answer commit together. A refusal whose class
    says ``is_stored_refusal = True`` undoes the act and is kept as a problem
    document with ``request_id``; any other error undoes everything, the taking
    of the key included, so that a repeat runs anew. ``act`` is called again
    when PostgreSQL gave its transaction up for another one.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to a request with another fingerprint.
    """
    return retrying(lambda: _attempt(caller, key, fingerprint, moment, act, request_id))


def _attempt(
    caller: str,
    key: str,
    fingerprint: bytes,
    moment: datetime,
    act: Callable[[], Outcome],
    request_id: str | None,
) -> Answer:
    with transaction.atomic():
        kept = begin(caller=caller, key=key, fingerprint=fingerprint)
        if kept is not None:
            return kept
        status, body, member_id = _outcome(act, request_id)
        store(
            caller=caller,
            key=key,
            fingerprint=fingerprint,
            status=status,
            text=dumps(body).decode(),
            member_id=member_id,
            moment=moment,
        )
    return Answer(status, body, replayed=False)


def begin(*, caller: str, key: str, fingerprint: bytes) -> Answer | None:
    """Take the key for the open transaction; return the answer kept by an earlier request.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to a request with another fingerprint.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idempotency_begin(%s::text, %s::text, %s::bytea)", [caller, key, fingerprint]
        )
        row = cursor.fetchone()
    return kept_answer(orjson.loads(row[0]))


def store(
    *,
    caller: str,
    key: str,
    fingerprint: bytes,
    status: int,
    text: str,
    member_id: int | None,
    moment: datetime,
) -> None:
    """Keep an answer, its body as JSON ``text``, under the key of the open transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idempotency_store(%s::text, %s::text, %s::bytea, %s::int, %s::jsonb,"
            " %s::bigint, %s::timestamptz)",
            [caller, key, fingerprint, status, text, member_id, moment],
        )


def kept_answer(found: Mapping[str, Any]) -> Answer | None:
    """Return the answer in what ``idempotency_begin`` found, None for a new key.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to a request with another fingerprint.
    """
    if found["state"] == "busy":
        raise RequestInProgress
    if found["state"] == "reused":
        raise IdempotencyKeyReused
    if found["state"] == "replay":
        return Answer(found["status"], found["body"], replayed=True)
    return None


def _outcome(act: Callable[[], Outcome], request_id: str | None) -> Outcome:
    try:
        # The savepoint lets a refusal undo the act and keep the lock on the key, so that the
        # refusal itself can be stored.
        with transaction.atomic():
            return act()
    except DomainError as refusal:
        if not getattr(refusal, "is_stored_refusal", False):
            raise
        return refusal.status, problems.document(refusal, request_id), None
