"""Whether the process lives, whether it can serve, and what lags behind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from members.models import Heartbeat, OutboxEvent, Program
from members.queries.sealing import sealing_lags

# Each is several of its intervals, so that one slow round does not count as standing still.
BEHIND_AFTER = {"worker": timedelta(seconds=60), "beat": timedelta(seconds=45)}
OUTBOX_BEHIND_AFTER = timedelta(seconds=150)
SEALS_BEHIND_AFTER = timedelta(seconds=300)

# Migrations are code and cannot become unapplied below a running process, so the first yes
# is kept.
_is_migrated = False


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer that the process lives, whatever else does not."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 when a request can be served, else 503 and what is missing.

    ``behind`` names what works late: it is a sign for the operator and no reason to send
    requests elsewhere.
    """
    body = readiness(now=timezone.now())
    return JsonResponse(body, status=200 if body["status"] == "ready" else 503)


def readiness(*, now: datetime) -> dict[str, Any]:
    """Return what the site needs to serve, and what lags, at the moment."""
    checks = {"database": False, "migrations": False, "program": False}
    behind: list[dict[str, Any]] = []
    try:
        connection.ensure_connection()
        checks["database"] = True
        checks["migrations"] = _migrations_are_applied()
        if checks["migrations"]:
            checks["program"] = Program.objects.exists()
            behind = lags(now=now)
    except DatabaseError:
        checks["database"] = False
    status = "ready" if all(checks.values()) else "not_ready"
    return {"status": status, "checks": checks, "behind": behind}


def _migrations_are_applied() -> bool:
    global _is_migrated  # noqa: PLW0603 - a fact about the whole process
    if not _is_migrated:
        executor = MigrationExecutor(connection)
        _is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _is_migrated


def lags(*, now: datetime) -> list[dict[str, Any]]:
    """Return what is behind at the moment: ``name`` and ``seconds``, null when never seen."""
    beats = dict(Heartbeat.objects.values_list("name", "beat_at"))
    found = []
    for name, limit in BEHIND_AFTER.items():
        beat_at = beats.get(name)
        if beat_at is None or now - beat_at > limit:
            seconds = None if beat_at is None else int((now - beat_at).total_seconds())
            found.append({"name": name, "seconds": seconds})
    oldest = (
        OutboxEvent.objects.filter(delivered_at=None)
        .order_by("created_at")
        .values_list("created_at", flat=True)
        .first()
    )
    if oldest is not None and now - oldest > OUTBOX_BEHIND_AFTER:
        found.append({"name": "outbox", "seconds": int((now - oldest).total_seconds())})
    for name, seconds in sealing_lags(moment=now).items():
        if seconds is None or seconds > SEALS_BEHIND_AFTER.total_seconds():
            found.append({"name": name, "seconds": seconds})
    return found
