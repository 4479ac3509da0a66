"""One key, one answer: idempotency keys as intake takes and keeps them.

A refusal is never kept, so that no savepoint is needed: it undoes the whole transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import transaction

from loyalty_site.lib.retries import retrying
from loyalty_site.lib.wire import dumps
from members.services import idempotency


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with what a repeat must have in common."""

    caller: str
    key: str
    fingerprint: bytes

    @property
    def wire(self) -> tuple[str, str, str]:
        """Return it as a document carries it: caller, key, fingerprint in hexadecimal digits."""
        return self.caller, self.key, self.fingerprint.hex()


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
    return _outcome(idempotency.kept_answer(found))


def _outcome(kept: idempotency.Answer | None) -> Outcome | None:
    return None if kept is None else Outcome(kept.status, kept.body, replayed=True)


def begin(key: Key) -> Outcome | None:
    """Take the key for the open transaction; return the kept answer of an earlier request.

    :raises RequestInProgress: another request holds the key.
    :raises IdempotencyKeyReused: the key belongs to another request.
    """
    return _outcome(idempotency.begin(caller=key.caller, key=key.key, fingerprint=key.fingerprint))


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
    idempotency.store(
        caller=key.caller,
        key=key.key,
        fingerprint=key.fingerprint,
        status=answer.status,
        text=answer.text,
        member_id=member_pk,
        moment=moment,
    )
