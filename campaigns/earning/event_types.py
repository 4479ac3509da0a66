"""What the program knows of events that others tell: their payloads, and how far they are believed.

An event of a type that is not declared is kept as it comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

KEY_TYPES: Final[Mapping[str, str]] = {
    "text": "a text that is not empty",
    "integer": "a whole number",
    "number": 'a whole number, or a decimal in quotes such as "12.50"',
    "bool": "true or false",
    "date": "a date, such as 2026-03-01",
}
# Said by whoever sends it; told by the member's own click on a link of the program; vouched for
# by a system that has seen it.
VERIFICATIONS: Final = ("declared", "clicked", "verified")
# What somebody only declares counts once a day, unless the program says otherwise.
DECLARED_LIMIT: Final[Mapping[str, Any]] = {"per": "member", "period": "day", "uses": 1}


@dataclass(frozen=True, slots=True)
class EventType:
    """A declared type: the types of its payload's keys, those that are needed, and its limit.

    Of what is beyond ``uses`` in a ``period`` the event is kept, and gives nothing.
    """

    code: str
    verification: str = "declared"
    payload: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    period: str | None = None
    uses: int | None = None

    def misfits(self, payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a payload, as (key, what was expected); others may stand by."""
        for key, kind in sorted(self.payload.items()):
            value = payload.get(key)
            if value is None:
                if key in self.required:
                    yield key, KEY_TYPES[kind]
            elif not _is_of(kind, value):
                yield key, KEY_TYPES[kind]


def _is_of(kind: str, value: Any) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return _is_number(value)
    if kind == "date":
        return isinstance(value, str) and _is_date(value)
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return False
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def compile_type(body: Mapping[str, Any]) -> EventType:
    """Return the type of a validated ``{code, verification, payload, required, limit}``."""
    limit = body.get("limit") or (
        DECLARED_LIMIT if body["verification"] == "declared" else {"period": None, "uses": None}
    )
    return EventType(
        code=body["code"],
        verification=body["verification"],
        payload=body["payload"],
        required=frozenset(body["required"]),
        period=limit["period"],
        uses=limit["uses"],
    )
