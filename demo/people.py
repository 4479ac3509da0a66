"""Invents the people of the demo: the same household number always gives the same person.

No name is taken from a person. Surnames are put together from syllables, numbers come from
ranges that are reserved for fiction, addresses from a domain that is reserved for examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

from demo import names

LEAP_DAY = date(1988, 2, 29)

# Of every twenty households two read Chinese, two Russian, and sixteen English.
LOCALES = ("zh-hans",) * 2 + ("ru",) * 2 + ("en",) * 16


@dataclass(frozen=True, slots=True)
class Person:
    """Who stands for a household."""

    first_name: str
    last_name: str
    email: str
    phone: str | None
    card: str
    birth_date: date | None
    locale: str
    wants_marketing: bool


def person(household: int, *, born_on_leap_day: bool = False) -> Person:
    """Return the invented person of a household of the data set (1 to 99,999)."""
    locale = LOCALES[draw(household, "language", len(LOCALES))]
    first, last = _names(household, locale)
    return Person(
        first_name=first,
        last_name=last,
        email=_email(household, first, last),
        phone=_phone(household) if draw(household, "phone", 3) == 0 else None,
        card=card_number(household),
        birth_date=LEAP_DAY if born_on_leap_day else _birth_date(household),
        locale=locale,
        wants_marketing=draw(household, "marketing", 10) < 6,
    )


def card_number(household: int) -> str:
    """Return the member card's number: 6011, five digits of the household, a check digit.

    Ten digits keep it apart from any payment card.
    """
    body = f"6011{household:05d}"
    return f"{body}{luhn_digit(body)}"


def luhn_digit(digits: str) -> int:
    """Return the digit that makes ``digits`` pass the Luhn check when it is appended.

    Source: ISO/IEC 7812-1, annex B.
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


def draw(household: int, purpose: str, sides: int) -> int:
    """Return a number from 0 to ``sides`` - 1 that depends on the two arguments alone."""
    digest = blake2b(f"{purpose}:{household}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % sides


def _names(household: int, locale: str) -> tuple[str, str]:
    if locale == "zh-hans":
        given = _pick(household, "given-1", names.GIVEN_ZH) + _pick(
            household, "given-2", names.GIVEN_ZH
        )
        return given, _pick(household, "surname", names.SURNAMES_ZH)
    if locale == "ru":
        head, tail = names.SURNAME_HEADS_RU, names.SURNAME_TAILS_RU
        given = _pick(household, "given", names.GIVEN_RU)
    else:
        head, tail = names.SURNAME_HEADS_EN, names.SURNAME_TAILS_EN
        given = _pick(household, "given", names.GIVEN_EN)
    return given, _pick(household, "head", head) + _pick(household, "tail", tail)


def _pick(household: int, purpose: str, words: tuple[str, ...]) -> str:
    return words[draw(household, purpose, len(words))]


def _email(household: int, first: str, last: str) -> str:
    name = f"{first}.{last}".lower()
    return f"{name if name.isascii() else 'member'}.{household}@example.com"


def _phone(household: int) -> str | None:
    area, number = divmod(household, 100)
    return f"+1{names.AREA_CODES[area]}55501{number:02d}" if area < len(names.AREA_CODES) else None


def _birth_date(household: int) -> date | None:
    if draw(household, "age-told", 8) == 0:
        return None
    year = 1945 + draw(household, "year", 60)
    return date(year, 1 + draw(household, "month", 12), 1 + draw(household, "day", 28))
