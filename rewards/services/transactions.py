"""What redemptions ask of the database transaction they run in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


def lock_label(*, caller: str, external_id: str) -> None:
    """Wait for other requests of the caller with the same label; freed with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lock_business_key('redemption', %s::text, %s::text)", [caller, external_id]
        )


@contextmanager
def read_only() -> Iterator[None]:
    """Read as of one instant, with the database refusing every write.

    Inside an open transaction, which cannot be narrowed, it only reads.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
