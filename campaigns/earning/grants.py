"""What a rule gives beside points: a voucher, a message, and whatever kind is registered.

A kind is one entry of ``KINDS``: how its figures are read from a program file, what they name of
the program, and how they are told. Whoever writes it down and takes it back is registered in
``campaigns/services/giving.py`` under the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

_DAYS_MAX: Final = 3650
_MONTHS_MAX: Final = 120
# The inbox keeps titles of that length.
_TITLE_MAX: Final = 200


class Figures(Protocol):
    """What reads the keys of one effect, and collects mistakes; a program file's reader is one."""

    def integer(
        self, key: str, *, least: int = 0, most: int = ..., default: int | None = None
    ) -> int:
        """Return a whole number."""

    def raw(self, key: str, *, required: bool = False, expected: str = ...) -> Any:
        """Return the value as it stands."""

    def has(self, key: str) -> bool:
        """Return whether the key is there."""

    def code(self, key: str = "code") -> str:
        """Return a code."""

    def localized(self, key: str, locale: str, *, required: bool = True) -> dict[str, str]:
        """Return texts by language."""

    def refuse(self, key: str, expected: str) -> None:
        """Note that the key should have held something else."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of effect beside points.

    ``read`` returns the figures of an effect, in the form in which a rule version stores them;
    ``sentence`` tells an effect to a person. ``names`` says which keys hold a code, and of which
    section of the program file.
    """

    name: str
    read: Callable[[Figures, str], dict[str, Any]]
    sentence: Callable[[Mapping[str, Any]], str]
    names: Mapping[str, str] = field(default_factory=dict)


class GrantEffect(NamedTuple):
    """One effect beside points of a compiled rule; ``place`` is its position in the rule."""

    place: int
    kind: str
    body: Mapping[str, Any]
    text: str


def _read_voucher(figures: Figures, _locale: str) -> dict[str, Any]:
    return {
        "reward": figures.code("reward"),
        "valid_days": figures.integer("valid_days", least=1, most=_DAYS_MAX, default=30),
    }


def _voucher_sentence(effect: Mapping[str, Any]) -> str:
    days = effect["valid_days"]
    return f"a voucher for {effect['reward']}, valid {days} {'day' if days == 1 else 'days'}"


def _read_message(figures: Figures, locale: str) -> dict[str, Any]:
    title = figures.localized("title", locale)
    if any(len(text) > _TITLE_MAX for text in title.values()):
        figures.refuse("title", f"a text of at most {_TITLE_MAX} characters")
    return {"title": title, "body": figures.localized("body", locale, required=False)}


def _message_sentence(effect: Mapping[str, Any]) -> str:
    return f"the message \N{LEFT DOUBLE QUOTATION MARK}{_first(effect['title'])}" + (
        "\N{RIGHT DOUBLE QUOTATION MARK}"
    )


def _read_tier(figures: Figures, _locale: str) -> dict[str, Any]:
    return {
        "tier": figures.code("tier"),
        "months": figures.integer("months", least=1, most=_MONTHS_MAX, default=12),
    }


def _tier_sentence(effect: Mapping[str, Any]) -> str:
    months = effect["months"]
    return f"the tier {effect['tier']} for {months} {'month' if months == 1 else 'months'}"


def _read_tag(figures: Figures, _locale: str) -> dict[str, Any]:
    days = figures.integer("days", least=1, most=_DAYS_MAX) if figures.has("days") else None
    return {"tag": figures.code("tag"), "days": days}


def _tag_sentence(effect: Mapping[str, Any]) -> str:
    days = effect["days"]
    ends = "" if days is None else f" for {days} {'day' if days == 1 else 'days'}"
    return f"the tag {effect['tag']}{ends}"


def _read_attribute(figures: Figures, _locale: str) -> dict[str, Any]:
    expected = "a text, a whole number, a decimal in quotes, true or false, or a list of texts"
    value = figures.raw("value", required=True, expected=expected)
    is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
    if value is not None and not is_list and not isinstance(value, str | int | bool):
        figures.refuse("value", expected)
    return {"attribute": figures.code("attribute"), "value": value}


def _attribute_sentence(effect: Mapping[str, Any]) -> str:
    value = effect["value"]
    told = ", ".join(value) if isinstance(value, list) else str(value)
    return f"{effect['attribute']} set to {told}"


def _first(texts: Mapping[str, str]) -> str:
    """Return the text in the program's own language, which stands first."""
    return next(iter(texts.values()), "")


KINDS: Final[dict[str, Kind]] = {}


def register(kind: Kind) -> None:
    """Let rules give effects of this kind."""
    KINDS[kind.name] = kind


register(Kind("voucher", _read_voucher, _voucher_sentence, {"reward": "rewards"}))
register(Kind("message", _read_message, _message_sentence))
register(Kind("tag", _read_tag, _tag_sentence))
register(Kind("attribute", _read_attribute, _attribute_sentence, {"attribute": "attributes"}))
register(Kind("tier", _read_tier, _tier_sentence, {"tier": "tiers"}))


def is_grant(effect: Mapping[str, Any]) -> bool:
    """Return whether the effect of a rule is one beside points."""
    return effect["kind"] in KINDS


def sentence(effect: Mapping[str, Any]) -> str:
    """Return the effect as a clause: "a voucher for coffee, valid 30 days"."""
    return KINDS[effect["kind"]].sentence(effect)


def compile_grant(place: int, body: Mapping[str, Any]) -> GrantEffect:
    """Return the effect of a validated ``{kind, ...}`` at this position of its rule."""
    text = sentence(body)
    return GrantEffect(place, body["kind"], body, text[:1].upper() + text[1:])
