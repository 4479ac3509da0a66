"""Reads when points become available."""

from __future__ import annotations

from typing import Final

from .reader import Reader
from .rule_document import PendingSection

_DAYS_MAX: Final = 36_500
_TYPE_MAX: Final = 64


def read(reader: Reader) -> PendingSection:
    """Return the section: days, or what is waited for and for how long at most."""
    if not reader.has("until"):
        for key in ("until", "type", "at_most_days"):
            if reader.raw(key) is not None:
                reader.refuse(key, f"no {key} without until")
        return PendingSection(days=reader.integer("days", most=_DAYS_MAX))
    until = reader.choice("until", ("event", "approval"))
    if reader.raw("days") is not None:
        reader.refuse("days", "days, or until: at_most_days is how long it waits at most")
    at_most_days = None
    if reader.has("at_most_days"):
        at_most_days = reader.integer("at_most_days", least=1, most=_DAYS_MAX)
    else:
        reader.raw("at_most_days")
    return PendingSection(until=until, type=_type(reader, until), at_most_days=at_most_days)


def _type(reader: Reader, until: str) -> str | None:
    if until != "event":
        if reader.raw("type") is not None:
            reader.refuse("type", "no type without an event")
        return None
    kind = reader.text("type")
    if len(kind) > _TYPE_MAX:
        reader.refuse("type", f"a type of at most {_TYPE_MAX} characters")
    return kind
