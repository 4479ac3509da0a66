"""What stands on the wire: numbers, instants and JSON, written one way only."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from django.utils.functional import Promise


def instant_text(value: datetime) -> str:
    """Return an aware instant as RFC 3339 in UTC with ``Z``, to the microsecond if it has any."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def decimal_text(value: Decimal, places: int | None = None) -> str:
    """Return a decimal without exponent, with exactly ``places`` places when they are given."""
    return format(value, "f" if places is None else f".{places}f")


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form on the wire")


def dumps(value: Any) -> bytes:
    """Return the value as JSON: decimals as strings, instants in UTC, ids as text."""
    # The passthrough sends datetimes to _write: orjson alone would keep the
    # offset that an instant was read with.
    return orjson.dumps(value, _write, orjson.OPT_PASSTHROUGH_DATETIME)
