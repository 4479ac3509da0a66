"""Choosing the language of a text."""

from __future__ import annotations

import pytest

from loyalty_site.lib import languages


@pytest.mark.parametrize(
    ("_case", "header", "ranges"),
    [
        ("none", "", ()),
        ("one", "pt-PT", ("pt-PT",)),
        ("weights order", "en;q=0.2, ru, pt;q=0.9", ("ru", "pt", "en")),
        ("equals keep their order", "de, fr", ("de", "fr")),
        ("zero means not", "en;q=0, fr", ("fr",)),
        ("a star asks for nothing", "*, en;q=0.5", ("en",)),
        ("unreadable parts fall out", "en;q=2, ;;, fr;q=x, de", ("de",)),
    ],
)
def test_a_header_is_read_as_wishes(_case: str, header: str, ranges: tuple[str, ...]) -> None:
    assert languages.wishes(header) == ranges


@pytest.mark.parametrize(
    ("_case", "ranges", "available", "found"),
    [
        ("exact", ["pt"], ["en", "pt"], "pt"),
        ("shortened", ["pt-PT"], ["en", "pt"], "pt"),
        ("case", ["EN-us"], ["en-US"], "en-US"),
        ("no widening", ["pt"], ["pt-PT"], None),
        # RFC 4647, section 3.4: a single letter goes with what followed it.
        ("worked example", ["zh-Hant-CN-x-private1"], ["zh-Hant-CN-x", "zh-Hant"], "zh-Hant"),
        ("second wish", ["fr", "ru-RU"], ["en", "ru"], "ru"),
        ("none", ["fr"], ["en"], None),
    ],
)
def test_a_range_is_shortened_until_it_fits(
    _case: str, ranges: list[str], available: list[str], found: str | None
) -> None:
    assert languages.lookup(ranges, available) == found


def test_the_member_then_the_program_decide_when_the_header_does_not() -> None:
    texts = {"en": "Coffee", "ru": "Кофе"}

    assert languages.pick(texts, languages.preferred("ru-RU", "en", "en")) == "Кофе"
    assert languages.pick(texts, languages.preferred("fr", "ru", "en")) == "Кофе"
    assert languages.pick(texts, languages.preferred("fr", "", "en")) == "Coffee"
    assert languages.pick({"de": "Kaffee"}, languages.preferred("", "", "en")) == "Kaffee"
    assert languages.pick({}, ("en",), otherwise="coffee") == "coffee"
