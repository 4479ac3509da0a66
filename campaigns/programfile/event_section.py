"""Reads the types of events that the program knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from campaigns.earning.event_types import KEY_TYPES, VERIFICATIONS
from loyalty_site.lib import calendars

from .reader import Reader

_TYPE_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class EventSection:
    """A type of events; see ``earning/event_types.py``. ``code`` is the type as it is sent."""

    code: str
    name: Mapping[str, str]
    verification: str
    payload: Mapping[str, str]
    required: tuple[str, ...] = ()
    limit: Mapping[str, Any] | None = None


def read(reader: Reader, locale: str) -> EventSection:
    """Return one type."""
    code = reader.text("code")
    if len(code) > _TYPE_MAX:
        reader.refuse("code", f"a type of at most {_TYPE_MAX} characters")
    section = EventSection(
        code=code,
        name=reader.localized("name", locale, required=False) or {locale: code},
        verification=reader.choice("verification", VERIFICATIONS, default="declared"),
        payload=reader.section("payload", _payload) or {},
        required=reader.texts("required"),
        limit=reader.section("limit", _limit),
    )
    for place, key in enumerate(section.required):
        if key not in section.payload:
            reader.refuse(f"required[{place}]", "a key of payload")
    return section


def _payload(reader: Reader) -> dict[str, str]:
    return {key: reader.choice(key, tuple(KEY_TYPES)) for key in reader.rest()}


def _limit(reader: Reader) -> dict[str, Any]:
    return {
        "per": reader.choice("per", ("member",), default="member"),
        "period": reader.choice("period", calendars.PERIODS),
        "uses": reader.integer("uses", least=1),
    }
