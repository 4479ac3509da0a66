"""Reads what the program asks about its members beside their profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from members.attributes import KINDS

from .reader import Reader

_WITH_CHOICES = ("choice", "multi")


@dataclass(frozen=True, slots=True)
class AttributeSection:
    """One thing that is asked; ``choices`` are ``{code, name}`` of kinds that have some.

    ``pii`` marks what is personal: its values stand in no history, and no rule writes them.
    """

    code: str
    name: Mapping[str, str]
    kind: str
    choices: tuple[Mapping[str, Any], ...] = ()
    pii: bool = False
    member_editable: bool = False


def read(reader: Reader, locale: str) -> AttributeSection:
    """Return one attribute."""
    kind = reader.choice("kind", KINDS)
    section = AttributeSection(
        code=reader.code(),
        name=reader.localized("name", locale),
        kind=kind,
        choices=_choices(reader, locale),
        pii=reader.flag("pii", default=False),
        member_editable=reader.flag("member_editable", default=False),
    )
    codes = [each["code"] for each in section.choices]
    if kind in _WITH_CHOICES and not codes:
        reader.refuse("choices", "a list of at least one choice")
    if kind not in _WITH_CHOICES and codes:
        reader.refuse("choices", "no choices for this kind")
    if len(set(codes)) != len(codes):
        reader.refuse("choices", "each code once")
    return section


def _choices(reader: Reader, locale: str) -> tuple[Mapping[str, Any], ...]:
    found = []
    for each in reader.readers("choices"):
        code = each.code()
        name = each.localized("name", locale, required=False) or {locale: code}
        found.append({"code": code, "name": name})
        each.close()
    return tuple(found)
