"""Choosing a language of a text: `Accept-Language`, then the member's, then the program's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

RANGE = re.compile(
    r"\s*(?P<tag>[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*"
    r"(?:;\s*[qQ]\s*=\s*(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?",
    re.ASCII,
)

# Longer headers are no person's wish.
HEADER_LENGTH_MAX = 500


@lru_cache(maxsize=512)
def wishes(header: str) -> tuple[str, ...]:
    """Return the language ranges of an `Accept-Language` header, the dearest first.

    Ranges that cannot be read and those of weight 0 are left out, and so is
    ``*``, which asks for nothing in particular.
    """
    found = []
    for part in header[:HEADER_LENGTH_MAX].split(","):
        match = RANGE.fullmatch(part)
        if match is None or match["tag"] == "*":
            continue
        weight = float(match["weight"] or 1)
        if weight > 0:
            found.append((weight, match["tag"]))
    # The sort is stable: among equals the order of the header holds.
    return tuple(tag for _, tag in sorted(found, key=lambda pair: -pair[0]))


def lookup(ranges: Iterable[str], available: Iterable[str]) -> str | None:
    """Return the first of ``available`` that the ranges lead to, or None.

    A range is shortened from its end until it fits, a single letter going with
    what followed it: ``zh-Hant-x-shop`` tries ``zh-Hant``, then ``zh``.

    Source: RFC 4647, section 3.4, "Lookup".
    """
    by_tag = {tag.lower(): tag for tag in available}
    for wished in ranges:
        parts = wished.lower().split("-")
        while parts:
            if (found := by_tag.get("-".join(parts))) is not None:
                return found
            parts.pop()
            while parts and len(parts[-1]) == 1:
                parts.pop()
    return None


def pick(texts: Mapping[str, str], languages: Iterable[str], otherwise: str = "") -> str:
    """Return the text in the first language that leads to one, else any of them.

    ``languages`` come from ``preferred``.
    """
    if not texts:
        return otherwise
    found = lookup(languages, texts)
    return texts[found] if found is not None else next(iter(texts.values()))


def preferred(header: str, *fallbacks: str) -> tuple[str, ...]:
    """Return the ranges to try in order: the header's, then each fallback that is set."""
    return (*wishes(header), *filter(None, fallbacks))
