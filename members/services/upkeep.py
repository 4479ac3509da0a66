"""The jobs that remove what nobody needs any more, and the sign of life of the worker."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from members.models import Heartbeat
from members.services.exports import expire_exports
from members.services.jobs import Job, Trouble

# For as long a repeated key is answered with what the first request was answered.
KEEP_IDEMPOTENCY = timedelta(days=30)
KEEP_DELIVERED = timedelta(days=30)
KEEP_RUNS = timedelta(days=30)
ROWS_PER_CHUNK = 5000


def purge_idempotency_records(moment: datetime, _trouble: Trouble) -> int | None:
    """Delete a chunk of answers that are no longer repeated."""
    return _delete("members_idempotencyrecord", "created_at <= %s", moment - KEEP_IDEMPOTENCY)


def purge_outbox(moment: datetime, _trouble: Trouble) -> int | None:
    """Delete a chunk of events that were told, and of the records of old runs."""
    told = _delete("members_outboxevent", "delivered_at <= %s", moment - KEEP_DELIVERED)
    runs = _delete("members_jobrun", "started_at <= %s", moment - KEEP_RUNS)
    return (told or 0) + (runs or 0) or None


def purge_tokens(moment: datetime, _trouble: Trouble) -> int | None:
    """Delete a chunk of expired tokens and sessions, and empty exports that have expired."""
    tokens = _delete("allauth_idp_oidc_token", "expires_at <= %s", moment)
    sessions = _delete("django_session", "expire_date <= %s", moment)
    return (tokens or 0) + (sessions or 0) + expire_exports(moment=moment) or None


def _delete(table: str, condition: str, moment: datetime) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table}"
            f" WHERE {condition} LIMIT {ROWS_PER_CHUNK} FOR UPDATE SKIP LOCKED))",
            [moment],
        )
        return int(cursor.rowcount) or None


def beat(*, moment: datetime, name: str = "worker") -> None:
    """Leave a sign of life."""
    Heartbeat.objects.update_or_create(name=name, defaults={"beat_at": moment})


PURGE_IDEMPOTENCY_RECORDS = Job(name="purge_idempotency_records", chunk=purge_idempotency_records)
PURGE_OUTBOX = Job(name="purge_outbox", chunk=purge_outbox)
PURGE_TOKENS = Job(name="purge_tokens", chunk=purge_tokens)
