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

Scope = Literal["member", "line", "purchase", "event", "moment", "history"]
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
    ``sql`` is the same fact as an expression over the member's row ``m``, for segments: NULL is
    a missing value, a ``text_set`` is an array of text. It may name the parameters of
    ``conditions_sql``; every attribute of scope ``member`` has one, and of ``history`` what is
    counted of a window. ``key`` is what it is asked
    for where one declaration stands for many names.
    """

    name: str
    type: Type
    scope: Scope
    phrase: str
    get: Getter
    personal: bool = False
    sql: str = ""
    key: str = ""


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


def _score_text(code: str) -> Getter:
    def get(context: Context) -> str | None:
        score = context.member.scores.get(code)
        return score.text or None if score else None

    return get


def _score_value(code: str) -> Getter:
    def get(context: Context) -> Decimal | None:
        score = context.member.scores.get(code)
        return score.value if score else None

    return get


def _tags(context: Context) -> frozenset[str]:
    # An instant within the program's zone is the same instant everywhere.
    return frozenset(each.tag for each in context.member.tags if each.holds_at(context.local))


def _identifiers(context: Context) -> frozenset[str]:
    known = context.member.identifiers
    return frozenset(each.kind for each in known if each.added_at <= context.local)


def _verified(context: Context) -> frozenset[str]:
    return frozenset(
        each.kind
        for each in context.member.identifiers
        if each.verified_at is not None and each.verified_at <= context.local
    )


def _consents(context: Context) -> frozenset[str]:
    latest = {
        each.name: each.granted for each in context.member.consents if each.at <= context.local
    }
    return frozenset(name for name, granted in latest.items() if granted)


def _tenders(context: Context) -> frozenset[str]:
    return frozenset(nfc(kind) for kind, _ in context.purchase.tenders)


def _windowed(_context: Context) -> None:
    raise AssertionError("a condition on history is read by its window")


def _age(context: Context) -> int | None:
    born: date | None = context.member.birth_date
    if born is None:
        return None
    today = context.local.date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _line_count(context: Context) -> int:
    return len(context.purchase.lines)


_TEXT: Final = "normalize(nullif(m.{column}, ''), NFC)"
_PURCHASES: Final = """(SELECT {what} FROM members_purchase h
  WHERE h.member_id = ANY (m.id || m.absorbed) AND h.occurred_at < %(moment)s::timestamptz)"""
_DAYS_SINCE: Final = "(%(today)s::date - ({since} AT TIME ZONE %(zone)s::text)::date)"
_SCORE: Final = """(SELECT {what} FROM members_memberscore c
  WHERE c.member_id = m.id AND c.code = {code})"""
# As grading.tier_at has it: the last that began before the moment; if none did, the first.
_TIER: Final = """(SELECT CASE WHEN s.starts_at < %(moment)s::timestamptz THEN t.code
    ELSE coalesce(nullif(s.evidence ->> 'from_tier', ''), t.code) END
  FROM members_tiermembership s JOIN members_tier t ON t.id = s.tier_id
  WHERE %(graded)s::boolean AND s.member_id = m.id AND s.superseded_at IS NULL
  ORDER BY s.starts_at < %(moment)s::timestamptz DESC,
    CASE WHEN s.starts_at < %(moment)s::timestamptz THEN s.starts_at END DESC,
    CASE WHEN s.starts_at < %(moment)s::timestamptz THEN s.id END DESC,
    s.starts_at, s.id LIMIT 1)"""
_SEGMENTS: Final = """ARRAY(SELECT g.code FROM members_segmentmembership x
  JOIN members_segment g ON g.id = x.segment_id
  WHERE x.member_id = m.id AND NOT g.is_retired)"""
_TAGS: Final = """ARRAY(SELECT w.tag FROM members_membertag w
  WHERE w.member_id = ANY (m.id || m.absorbed) AND w.tagged_at <= %(moment)s::timestamptz
    AND (w.expires_at IS NULL OR w.expires_at > %(moment)s::timestamptz))"""
_AGE: Final = """(extract(year FROM %(today)s::date) - extract(year FROM m.birth_date)
  - ((extract(month FROM %(today)s::date), extract(day FROM %(today)s::date))
    < (extract(month FROM m.birth_date), extract(day FROM m.birth_date)))::int)"""

_IDENTIFIERS: Final = """ARRAY(SELECT i.kind FROM members_identifier i
  WHERE i.member_id = m.id AND i.{column} <= %(moment)s::timestamptz)"""
_CONSENTS: Final = """ARRAY(SELECT c.name FROM (
    SELECT DISTINCT ON (r.purpose, r.channel) r.purpose || ':' || r.channel AS name, r.granted
    FROM members_consentrecord r
    WHERE r.member_id = m.id AND r.at <= %(moment)s::timestamptz
    ORDER BY r.purpose, r.channel, r.at DESC, r.id DESC) c
  WHERE c.granted)"""

_DECLARED: Final = (
    Attribute(
        "member.tier", "text", "member", "the member's tier", _text("member.tier"), sql=_TIER
    ),
    Attribute(
        "member.status",
        "text",
        "member",
        "the member's status",
        _text("member.status"),
        sql=_TEXT.format(column="status"),
    ),
    Attribute(
        "member.locale",
        "text",
        "member",
        "the member's language",
        _text("member.locale"),
        sql=_TEXT.format(column="locale"),
    ),
    Attribute(
        "member.source_channel",
        "text",
        "member",
        "the channel of enrollment",
        _text("member.source_channel"),
        sql=_TEXT.format(column="source_channel"),
    ),
    Attribute(
        "member.days_since_purchase",
        "integer",
        "member",
        "the number of days since the latest purchase",
        _days_since("member.last_purchase_at"),
        sql=_DAYS_SINCE.format(since=_PURCHASES.format(what="max(h.occurred_at)")),
    ),
    Attribute(
        "member.days_since_enrolment",
        "integer",
        "member",
        "the number of days since enrollment",
        _days_since("member.enrolled_at"),
        sql=_DAYS_SINCE.format(since="m.enrolled_at"),
    ),
    Attribute(
        "member.purchases_count",
        "integer",
        "member",
        "the number of earlier purchases",
        attrgetter("member.purchases_count"),
        sql=_PURCHASES.format(what="count(*)"),
    ),
    Attribute("member.age", "integer", "member", "the member's age", _age, personal=True, sql=_AGE),
    Attribute(
        "member.segment",
        "text_set",
        "member",
        "the member's segments",
        _text_set("member.segments"),
        personal=True,
        sql=_SEGMENTS,
    ),
    Attribute(
        "member.tag", "text_set", "member", "the member's tags", _tags, personal=True, sql=_TAGS
    ),
    Attribute(
        "member.rfm",
        "text",
        "member",
        "the member's RFM group",
        _score_text("rfm"),
        personal=True,
        sql=_SCORE.format(what="nullif(c.text, '')", code="'rfm'"),
    ),
    Attribute(
        "member.stage",
        "text",
        "member",
        "the member's stage",
        _score_text("stage"),
        personal=True,
        sql=_SCORE.format(what="nullif(c.text, '')", code="'stage'"),
    ),
    Attribute(
        "member.identifier",
        "text_set",
        "member",
        "the member's identifiers",
        _identifiers,
        personal=True,
        sql=_IDENTIFIERS.format(column="added_at"),
    ),
    Attribute(
        "member.identifier_verified",
        "text_set",
        "member",
        "the member's verified identifiers",
        _verified,
        personal=True,
        sql=_IDENTIFIERS.format(column="verified_at"),
    ),
    Attribute(
        "member.consent",
        "text_set",
        "member",
        "the member's consents",
        _consents,
        personal=True,
        sql=_CONSENTS,
    ),
    Attribute(
        "history.purchases",
        "integer",
        "history",
        "the number of earlier purchases",
        _windowed,
        sql="count(*)",
    ),
    Attribute(
        "history.net",
        "number",
        "history",
        "the net of earlier purchases",
        _windowed,
        sql="coalesce(sum(b.net), 0)",
    ),
    Attribute(
        "history.quantity",
        "number",
        "history",
        "the quantity of earlier purchases",
        _windowed,
        sql="coalesce(sum(b.quantity), 0)",
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
    Attribute("purchase.device", "text", "purchase", "the device", _text("purchase.device")),
    Attribute(
        "purchase.cashier",
        "text",
        "purchase",
        "the cashier",
        _text("purchase.cashier"),
        personal=True,
    ),
    Attribute("purchase.tender", "text_set", "purchase", "the kinds of payment", _tenders),
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
HISTORY: Final = "history."
SCORE: Final = "member.score."
ANSWER: Final = "member.attribute."


def find(name: str) -> Attribute | None:
    """Return the attribute, or None; scores and keys of payloads are declared as they are met.

    So is what the program asks about its members beside their profile.
    """
    declared = ATTRIBUTES.get(name)
    if declared is None and name.startswith(ANSWER) and len(name) > len(ANSWER):
        return _answer(name, name.removeprefix(ANSWER))
    if declared is None and name.startswith(SCORE) and len(name) > len(SCORE):
        return _score(name, name.removeprefix(SCORE))
    if declared is None and name.startswith(PAYLOAD) and len(name) > len(PAYLOAD):
        key = name.removeprefix(PAYLOAD)
        return Attribute(name, "any", "event", f"{key} of the event", _payload(key), personal=True)
    return declared


def _score(name: str, code: str) -> Attribute:
    return Attribute(
        name,
        "number",
        "member",
        f"the member's score {code}",
        _score_value(code),
        personal=True,
        sql=_SCORE.format(what="c.value", code="%(key)s::text"),
        key=code,
    )


def _answer(name: str, code: str) -> Attribute:
    def get(context: Context) -> Any:
        return context.member.attributes.get(code)

    return Attribute(
        name,
        "any",
        "member",
        f"the member's {code}",
        get,
        personal=True,
        # In the column of its kind, which the value that it is compared with names.
        sql="""(SELECT {column} FROM members_memberattribute v
  JOIN members_attributedefinition d ON d.id = v.definition_id AND NOT d.is_retired
  WHERE v.member_id = m.id AND d.code = %(key)s::text)""",
        key=code,
    )


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
