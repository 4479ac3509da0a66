"""Every attribute that a condition can name, declared once with its type and scope."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, Literal

from .facts import EventFacts, LineFacts, MemberFacts, PurchaseFacts

Scope = Literal["member", "line", "purchase", "event", "moment"]
Type = Literal["text", "number", "integer", "date", "time", "text_set", "any"]


class Context:
    """What one condition is asked about; ``local`` is the moment in the program's time zone."""

    __slots__ = ("event", "line", "local", "member", "purchase")

    def __init__(
        self,
        member: MemberFacts,
        local: datetime,
        purchase: PurchaseFacts | None = None,
        event: EventFacts | None = None,
    ) -> None:
        self.member: Any = member
        self.local = local
        self.purchase: Any = purchase
        self.event: Any = event
        self.line: Any = None

    def set_line(self, line: LineFacts) -> None:
        """Ask the next conditions about this line."""
        self.line = line


Getter = Callable[[Context], Any]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One fact with its type; ``phrase`` names it in a sentence.

    ``personal`` marks a fact of which a trace may name the outcome, but never the value.
    """

    name: str
    type: Type
    scope: Scope
    phrase: str
    get: Getter
    personal: bool = False


def nfc(text: str) -> str:
    """Return ``text`` in Unicode's composed form, in which equal texts have equal code points."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _text(path: str) -> Getter:
    read = attrgetter(path)

    def get(context: Context) -> str | None:
        value: str | None = read(context)
        if not value:
            return None
        return value if value.isascii() else unicodedata.normalize("NFC", value)

    return get


def _text_set(path: str) -> Getter:
    read = attrgetter(path)

    def get(context: Context) -> frozenset[str]:
        return frozenset(map(nfc, read(context)))

    return get


def _days_since(path: str) -> Getter:
    """Count calendar days of the program, not spans of 24 hours."""
    read = attrgetter(path)

    def get(context: Context) -> int | None:
        since: datetime | None = read(context)
        if since is None:
            return None
        return (context.local.date() - since.astimezone(context.local.tzinfo).date()).days

    return get


def _age(context: Context) -> int | None:
    born: date | None = context.member.birth_date
    if born is None:
        return None
    today = context.local.date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _line_count(context: Context) -> int:
    return len(context.purchase.lines)


_DECLARED: Final = (
    Attribute("member.tier", "text", "member", "the member's tier", _text("member.tier")),
    Attribute("member.status", "text", "member", "the member's status", _text("member.status")),
    Attribute("member.locale", "text", "member", "the member's language", _text("member.locale")),
    Attribute(
        "member.source_channel",
        "text",
        "member",
        "the channel of enrollment",
        _text("member.source_channel"),
    ),
    Attribute(
        "member.days_since_purchase",
        "integer",
        "member",
        "the number of days since the latest purchase",
        _days_since("member.last_purchase_at"),
    ),
    Attribute(
        "member.days_since_enrolment",
        "integer",
        "member",
        "the number of days since enrollment",
        _days_since("member.enrolled_at"),
    ),
    Attribute(
        "member.purchases_count",
        "integer",
        "member",
        "the number of earlier purchases",
        attrgetter("member.purchases_count"),
    ),
    Attribute("member.age", "integer", "member", "the member's age", _age, personal=True),
    Attribute(
        "member.segment",
        "text_set",
        "member",
        "the member's segments",
        _text_set("member.segments"),
        personal=True,
    ),
    Attribute("line.category", "text", "line", "the category", _text("line.category")),
    Attribute("line.sku", "text", "line", "the product", _text("line.sku")),
    Attribute("line.brand", "text", "line", "the brand", _text("line.brand")),
    Attribute("line.name", "text", "line", "the product's name", _text("line.name")),
    Attribute("line.tags", "text_set", "line", "the product's tags", _text_set("line.tags")),
    Attribute("line.quantity", "number", "line", "the quantity", attrgetter("line.quantity")),
    Attribute("line.unit_price", "number", "line", "the unit price", attrgetter("line.unit_price")),
    Attribute("line.net", "number", "line", "the line's net amount", attrgetter("line.net")),
    Attribute(
        "purchase.net",
        "number",
        "purchase",
        "the purchase's net amount",
        attrgetter("purchase.net"),
    ),
    Attribute("purchase.store", "text", "purchase", "the store", _text("purchase.store")),
    Attribute("purchase.channel", "text", "purchase", "the channel", _text("purchase.channel")),
    Attribute("purchase.currency", "text", "purchase", "the currency", _text("purchase.currency")),
    Attribute("purchase.line_count", "integer", "purchase", "the number of lines", _line_count),
    Attribute(
        "purchase.coupon", "text_set", "purchase", "the coupons", _text_set("purchase.coupons")
    ),
    Attribute("moment.weekday", "integer", "moment", "the weekday", lambda c: c.local.isoweekday()),
    Attribute("moment.hour", "integer", "moment", "the hour", lambda c: c.local.hour),
    Attribute("moment.date", "date", "moment", "the date", lambda c: c.local.date()),
    Attribute("moment.time", "time", "moment", "the time of day", lambda c: c.local.time()),
    Attribute("event.type", "text", "event", "the event", _text("event.type")),
)

ATTRIBUTES: Final[Mapping[str, Attribute]] = {each.name: each for each in _DECLARED}
PAYLOAD: Final = "event.payload."


def find(name: str) -> Attribute | None:
    """Return the attribute, or None; keys of an event's payload are declared as they are met."""
    declared = ATTRIBUTES.get(name)
    if declared is None and name.startswith(PAYLOAD) and len(name) > len(PAYLOAD):
        key = name.removeprefix(PAYLOAD)
        return Attribute(name, "any", "event", f"{key} of the event", _payload(key), personal=True)
    return declared


def _payload(key: str) -> Getter:
    def get(context: Context) -> Any:
        return comparable(context.event.payload.get(key))

    return get


def comparable(value: Any) -> Any:
    """Return a JSON value in the form in which it is compared: numbers exact, text composed."""
    if isinstance(value, str):
        return nfc(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        # A JSON number is decimal text; its shortest form is the number that was written.
        return Decimal(repr(value))
    if isinstance(value, list | tuple):
        return tuple(comparable(each) for each in value)
    return value
