"""Whether two members look like one person. Pure: no database and no clock.

What speaks for it adds up; an address alone is never enough, since families share one.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from typing import Final

# From this score on a pair is shown to staff.
SHOWN_FROM: Final = 50
# Names that differ by a letter or two, as a till's clerk would type them.
NEAR: Final = 0.85

WEIGHTS: Final = {
    "same_name": 45,
    "near_name": 30,
    "swapped_name": 40,
    "same_birth_date": 40,
    "same_value": 60,
    "same_mailbox": 40,
}


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a member; ``values`` are normalized identifiers as (kind, value)."""

    first_name: str
    last_name: str
    birth_date: date | None
    values: frozenset[tuple[str, str]]


def likeness(one: Person, other: Person) -> tuple[int, list[str]]:
    """Return how much speaks for one person, from 0 to 100, and the codes of what does.

    Different birth dates speak against it: then nothing but a shared value counts.
    """
    reasons = [*_of_names(one, other), *_of_values(one, other)]
    if one.birth_date is not None and other.birth_date is not None:
        if one.birth_date == other.birth_date:
            reasons.append("same_birth_date")
        elif "same_value" not in reasons:
            return 0, []
    return min(sum(WEIGHTS[reason] for reason in reasons), 100), reasons


def _of_names(one: Person, other: Person) -> list[str]:
    mine = (plain(one.first_name), plain(one.last_name))
    theirs = (plain(other.first_name), plain(other.last_name))
    if not any(mine) or not any(theirs):
        return []
    if mine == theirs:
        return ["same_name"]
    if mine == theirs[::-1]:
        return ["swapped_name"]
    is_near = all(
        a and b and SequenceMatcher(None, a, b, autojunk=False).ratio() >= NEAR
        for a, b in zip(mine, theirs, strict=True)
    )
    return ["near_name"] if is_near else []


def _of_values(one: Person, other: Person) -> list[str]:
    shared = {value for _kind, value in one.values} & {value for _kind, value in other.values}
    if shared:
        return ["same_value"]
    return ["same_mailbox"] if _mailboxes(one.values) & _mailboxes(other.values) else []


def _mailboxes(values: frozenset[tuple[str, str]]) -> set[str]:
    return {mailbox(value) for kind, value in values if kind == "email"}


def mailbox(address: str) -> str:
    """Return the address without what follows a plus sign: the same box at most providers."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def plain(name: str) -> str:
    """Return a name as it is compared: without case, accents and marks."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(c for c in decomposed if not unicodedata.combining(c)).split())
