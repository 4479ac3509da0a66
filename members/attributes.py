"""What a program asks about its members beside the profile: kinds of values, and what fits them.

Pure: no database and no clock.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from loyalty_site.lib.money import plain

KINDS: Final = ("text", "number", "date", "bool", "choice", "multi")
TEXT_MAX: Final = 500
_NUMBER_MAX: Final = Decimal(10**12)
_PLACES_MAX: Final = 4

_EXPECTED: Final = {
    "text": f"a text of 1 to {TEXT_MAX} characters",
    "number": 'a whole number, or a decimal in quotes such as "12.50", at most 4 places',
    "date": "a date, such as 1990-02-28",
    "bool": "true or false",
}


class Unfitting(ValueError):
    """The value is not of the attribute's kind; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value in the column of its kind; dates and choices are texts."""

    text: str = ""
    number: Decimal | None = None
    flag: bool | None = None
    texts: list[str] = field(default_factory=list)

    @property
    def told(self) -> Any:
        """Return the value as the API tells it: numbers as text, so that none loses a digit."""
        if self.number is not None:
            return plain(self.number)
        if self.flag is not None:
            return self.flag
        return self.text or list(self.texts)


def fitted(kind: str, choices: Sequence[str], value: Any) -> Value:
    """Return the value in its column.

    :raises Unfitting: it is not of the kind, or none of the choices.
    """
    if kind == "text" and isinstance(value, str) and 1 <= len(value.strip()) <= TEXT_MAX:
        # Texts that look alike have to be alike for conditions.
        return Value(text=unicodedata.normalize("NFC", value.strip()))
    if kind == "number" and isinstance(value, str | int) and not isinstance(value, bool):
        return Value(number=_number(value))
    if kind == "date" and isinstance(value, str):
        return Value(text=_date(value))
    if kind == "bool" and isinstance(value, bool):
        return Value(flag=value)
    if kind == "choice" and isinstance(value, str) and value in choices:
        return Value(text=value)
    if kind == "multi" and _are_choices(choices, value):
        return Value(texts=[each for each in choices if each in value])
    raise Unfitting(expected(kind, choices))


def _are_choices(choices: Sequence[str], value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(each, str) and each in choices for each in value)


def expected(kind: str, choices: Sequence[str]) -> str:
    """Return what a value of the kind looks like."""
    one_of = f"one of {', '.join(choices)}"
    if kind == "multi":
        return f"a list of at least one, each {one_of}"
    return _EXPECTED.get(kind, one_of)


def _number(value: str | int) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise Unfitting(_EXPECTED["number"]) from None
    if not number.is_finite() or abs(number) >= _NUMBER_MAX:
        raise Unfitting(_EXPECTED["number"])
    exponent = number.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > _PLACES_MAX:
        raise Unfitting(_EXPECTED["number"])
    return number


def _date(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Unfitting(_EXPECTED["date"]) from None
