"""One key, one act: the answer to a keyed request is kept with what the request did."""

from __future__ import annotations

from collections.abc import Callable
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
        kept = _begin(caller, key, fingerprint)
        if kept is not None:
            return kept
        status, body, member_id = _outcome(act, request_id)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT idempotency_store(%s::text, %s::text, %s::bytea, %s::int, %s::jsonb,"
                " %s::bigint, %s::timestamptz)",
                [caller, key, fingerprint, status, dumps(body).decode(), member_id, moment],
            )
    return Answer(status, body, replayed=False)


def _begin(caller: str, key: str, fingerprint: bytes) -> Answer | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idempotency_begin(%s::text, %s::text, %s::bytea)", [caller, key, fingerprint]
        )
        row = cursor.fetchone()
    found = orjson.loads(row[0])
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
