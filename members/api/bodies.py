"""What callers send about members."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from msgspec import UNSET, Meta, UnsetType

from loyalty_site.lib.reading import Body, Instant, Text64, Text254
from loyalty_site.lib.wire import Refused
from members.numbers import NotAnIdentifier, normalized
from members.services.consents import Answer

Name = Annotated[str, Meta(max_length=100)]
Label = Annotated[str, Meta(max_length=32)]
Word = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,31}$", examples=["marketing"])]
Locale = Annotated[
    str, Meta(pattern="^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,2}$", max_length=16, examples=["en"])
]
Timezone = Annotated[str, Meta(min_length=1, max_length=64, examples=["Europe/Lisbon"])]


class IdentifierBody(Body, frozen=True):
    """A way to recognize the person."""

    kind: Literal["email", "phone", "card", "external_id"]
    value: Text254

    def __post_init__(self) -> None:
        try:
            normalized(self.kind, self.value)
        except NotAnIdentifier as fault:
            raise Refused(fault.code, fault.detail, "/value") from None


class ConsentBody(Body, frozen=True):
    """A yes or no to a purpose by a channel."""

    purpose: Word
    channel: Word
    granted: bool

    @property
    def answer(self) -> Answer:
        """Return what the person said."""
        return Answer(self.purpose, self.channel, self.granted)


class EnrolmentBody(Body, frozen=True):
    """A person who joins; whoever has one of the identifiers already stays who they are."""

    identifiers: Annotated[list[IdentifierBody], Meta(min_length=1, max_length=20)]
    first_name: Name | None = None
    last_name: Name | None = None
    birth_date: date | None = None
    locale: Locale | None = None
    timezone: Timezone | None = None
    source_channel: Label | None = None
    referral_code: Label | None = None
    consents: Annotated[list[ConsentBody], Meta(max_length=50)] = []
    enrolled_at: Instant | None = None

    def __post_init__(self) -> None:
        refuse_unknown_timezone(self.timezone)
        refuse_repeated(self.consents, "/consents")


class ProfileBody(Body, frozen=True):
    """What may change of a member; a field that is left out stays, null empties it."""

    first_name: Name | UnsetType | None = UNSET
    last_name: Name | UnsetType | None = UNSET
    birth_date: date | UnsetType | None = UNSET
    locale: Locale | UnsetType | None = UNSET
    timezone: Timezone | UnsetType | None = UNSET
    attributes: dict[Text64, Any] | UnsetType = UNSET

    def __post_init__(self) -> None:
        refuse_unknown_timezone(self.timezone)

    @property
    def fields(self) -> dict[str, Any]:
        """Return what was named, as it is stored."""
        told = {
            name: getattr(self, name) for name in self.__struct_fields__ if name != "attributes"
        }
        found = {name: value for name, value in told.items() if value is not UNSET}
        return {name: stored(name, value) for name, value in found.items()}


class ErasureBody(Body, frozen=True):
    """The member number, typed by hand so that nobody is erased by mistake."""

    confirm: Text64


def stored(name: str, value: Any) -> Any:
    """Return a field of a person as its column holds it: trimmed, empty instead of null."""
    if name == "birth_date":
        return value
    return (value or "").strip()


def refuse_repeated(consents: list[ConsentBody], pointer: str = "") -> None:
    """Refuse two answers to the same question.

    :raises Refused: there are such.
    """
    seen = set()
    for index, consent in enumerate(consents):
        question = (consent.purpose, consent.channel)
        if question in seen:
            detail = "This purpose and channel stand earlier in the list."
            raise Refused("repeated", detail, f"{pointer}/{index}")
        seen.add(question)


def refuse_unknown_timezone(name: str | UnsetType | None) -> None:
    """Refuse a time zone that the IANA database does not have.

    :raises Refused: it is unknown.
    """
    if isinstance(name, str) and name not in _timezones():
        detail = "A time zone of the IANA database is expected, such as Europe/Lisbon."
        raise Refused("unknown_timezone", detail, "/timezone")


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())
