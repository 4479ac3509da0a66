"""Pages of a list by key: a cursor is the key of the row where the page ended."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import attrgetter, or_
from typing import Any, Protocol, TypeVar
from uuid import UUID

import orjson
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac

from loyalty_site.lib import query
from loyalty_site.lib.problems import InvalidCursor
from loyalty_site.lib.wire import instant_text

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=Model)

Key = tuple[Any, ...]

AFTER, BEFORE = "a", "b"
CHECKSUM_BYTES = 12
CURSOR_LENGTH_MAX = 1024


class Fetch(Protocol[T_co]):
    """A reader of one list, by ORM or SQL.

    It returns at most ``limit`` rows, the nearest first: without a key from the
    top of the list, with ``after`` downward from below that key, with ``before``
    upward from above it.
    """

    def __call__(self, *, after: Key | None, before: Key | None, limit: int) -> Sequence[T_co]: ...


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list: the key of a row and the direction in which to read on."""

    direction: str
    key: Key


def encode(cursor: Cursor, scope: str) -> str:
    """Return the cursor as opaque text, good only for the list that ``scope`` names.

    ``scope`` holds whatever chooses the rows: the address, the filters, the owner.
    """
    content = orjson.dumps([cursor.direction, *map(_tagged, cursor.key)])
    return base64.urlsafe_b64encode(_checksum(content, scope) + content).decode().rstrip("=")


def decode(text: str, scope: str) -> Cursor:
    """Return the cursor in the text.

    :raises InvalidCursor: it was changed, or made for another list.
    """
    try:
        if len(text) > CURSOR_LENGTH_MAX or not text.isascii():
            raise InvalidCursor
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCursor from None
    checksum, content = raw[:CHECKSUM_BYTES], raw[CHECKSUM_BYTES:]
    if not constant_time_compare(checksum, _checksum(content, scope)):
        raise InvalidCursor
    direction, *key = orjson.loads(content)
    return Cursor(direction, tuple(map(_untagged, key)))


def page(
    fetch: Fetch[T],
    *,
    key_of: Callable[[T], Key],
    serialize: Callable[[T], Any],
    limit: int,
    cursor: str | None,
    scope: str,
) -> dict[str, Any]:
    """Return one page of a list with the cursors to the pages beside it.

    Keys are unique and ordered as the list, so that rows added meanwhile neither
    repeat a row nor hide one.

    :raises InvalidCursor: the cursor was changed, or made for another list.
    """
    place = None if cursor is None else decode(cursor, scope)
    # One row more than the page holds tells whether there is another page.
    if place is not None and place.direction == BEFORE:
        found = fetch(after=None, before=place.key, limit=limit + 1)
        rows = list(reversed(found[:limit]))
        has_previous, has_next = len(found) > limit, True
    else:
        found = fetch(after=place.key if place else None, before=None, limit=limit + 1)
        rows = list(found[:limit])
        has_previous, has_next = place is not None, len(found) > limit
    return {
        "results": [serialize(row) for row in rows],
        "next_cursor": _beside(AFTER, rows[-1:], key_of, scope) if has_next else None,
        "prev_cursor": _beside(BEFORE, rows[:1], key_of, scope) if has_previous else None,
    }


def answer_page(
    request: HttpRequest,
    fetch: Fetch[T],
    *,
    key_of: Callable[[T], Key],
    serialize: Callable[[T], Any],
    scope: str = "",
) -> dict[str, Any]:
    """Return the page that the request's ``limit`` and ``cursor`` ask for.

    ``scope`` holds the filters beside the address.

    :raises Invalid: ``limit`` is not a whole number from 1 to 100.
    :raises InvalidCursor: the cursor was changed, or made for another list.
    """
    return page(
        fetch,
        key_of=key_of,
        serialize=serialize,
        limit=query.limit(request),
        cursor=request.GET.get("cursor"),
        scope=f"{request.path} {scope}",
    )


def keyset(queryset: QuerySet[M], *order: str) -> tuple[Fetch[M], Callable[[M], Key]]:
    """Return the reader of a queryset in this order, and the key of its rows.

    ``order`` names fields that are never null, with a leading minus for falling
    ones, and ends in a unique one.
    """
    names = [field.removeprefix("-") for field in order]
    opposite = [field[1:] if field.startswith("-") else f"-{field}" for field in order]

    def fetch(*, after: Key | None, before: Key | None, limit: int) -> Sequence[M]:
        fields, key = (opposite, before) if before is not None else (list(order), after)
        rows = queryset.order_by(*fields)
        if key is not None:
            rows = rows.filter(_beyond(fields, key))
        return list(rows[:limit])

    getter = attrgetter(*names)
    return fetch, lambda row: getter(row) if len(names) > 1 else (getter(row),)


def _beyond(fields: Sequence[str], key: Key) -> Q:
    parts = []
    equal = Q()
    for field, value in zip(fields, key, strict=True):
        name = field.removeprefix("-")
        parts.append(equal & Q(**{f"{name}__{'lt' if field.startswith('-') else 'gt'}": value}))
        equal &= Q(**{name: value})
    # The bound on the first field says nothing new; it is what an index can use.
    first = fields[0].removeprefix("-")
    bound = Q(**{f"{first}__{'lte' if fields[0].startswith('-') else 'gte'}": key[0]})
    return bound & reduce(or_, parts)


def _beside(
    direction: str, rows: Sequence[T], key_of: Callable[[T], Key], scope: str
) -> str | None:
    return encode(Cursor(direction, key_of(rows[0])), scope) if rows else None


def _checksum(content: bytes, scope: str) -> bytes:
    # The key is signed, since it reaches the reader's SQL as a value of a known
    # type; a forged one of another type would end as an error of the database.
    digest = salted_hmac("cursor", scope.encode() + b"\x00" + content, algorithm="sha256").digest()
    return digest[:CHECKSUM_BYTES]


def _tagged(value: Any) -> list[Any]:
    match value:
        case datetime():
            return ["t", instant_text(value)]
        case UUID():
            return ["u", str(value)]
        case Decimal():
            return ["d", str(value)]
        case _:
            return ["", value]


def _untagged(tagged: list[Any]) -> Any:
    kind, value = tagged
    match kind:
        case "t":
            return datetime.fromisoformat(value)
        case "u":
            return UUID(value)
        case "d":
            return Decimal(value)
        case _:
            return value
