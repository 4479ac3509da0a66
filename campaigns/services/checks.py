"""What every fact has to fulfil, whatever it tells."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from loyalty_site.lib.errors import DomainError

AHEAD_MAX = timedelta(minutes=5)


class InTheFuture(DomainError):
    """It is said to have happened later than now."""

    code = "in_the_future"
    status = 422
    title = "It has not happened yet"
    cause = "occurred_at is more than 5 minutes ahead of the server's clock."
    remedy = "Set the till's clock, or wait."


def check_occurred_at(occurred_at: datetime, moment: datetime) -> None:
    """Refuse what lies more than 5 minutes ahead.

    :raises InTheFuture: it does.
    """
    if occurred_at > moment + AHEAD_MAX:
        raise InTheFuture


def read_only() -> None:
    """Let the open transaction write nothing: a dry run cannot, whatever it calls."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")


def lock_business_key(kind: str, source: str, external_id: str) -> None:
    """Wait for the name that a till gave a thing; freed when the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lock_business_key(%s::text, %s::text, %s::text)", [kind, source, external_id]
        )
