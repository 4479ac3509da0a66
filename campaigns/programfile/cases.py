"""Reads the embedded tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from members.segmentation import GROUPS, STAGES

from .document import (
    MEMBER_STATUSES,
    CaseEvent,
    CaseLine,
    CaseMember,
    CasePurchase,
    CaseSection,
    Expectation,
)
from .reader import INTEGER_MAX, Reader

# Keys of ``expect`` that are no currency; ``points`` may be both, it is the main currency.
EXPECT_KEYS: Final = ("awards", "tier", "currencies", "not_applied", "taken_back")


def read(reader: Reader, zone: ZoneInfo) -> CaseSection:
    """Return one test: one fact of one member, and what it should give."""
    section = CaseSection(
        name=reader.text("name"),
        at=reader.moment("at", zone),
        member=reader.section("member", lambda inner: _member(inner, zone)) or CaseMember(),
        purchase=reader.section("purchase", _purchase),
        event=reader.section("event", _event),
        expect=reader.section("expect", _expectation) or Expectation(),
        returned=_returned(reader),
    )
    if (section.purchase is None) == (section.event is None):
        reader.refuse("purchase", "either a purchase or an event")
    if section.expect == Expectation():
        reader.refuse("expect", "at least one of points, awards, tier or a currency")
    _check_returned(reader, section)
    return section


def _returned(reader: Reader) -> dict[str, Decimal]:
    value: Any = reader.raw("returned")
    if value is None:
        return {}
    inner = Reader(value, reader.at("returned"), reader.problems)
    return {name: inner.decimal(name, above=Decimal(0), places=3) for name in inner.rest()}


def _check_returned(reader: Reader, section: CaseSection) -> None:
    bought = (
        {line.line_id: line.quantity for line in section.purchase.lines}
        if (section.purchase)
        else {}
    )
    for line_id, quantity in section.returned.items():
        if line_id not in bought:
            reader.refuse(f"returned.{line_id}", f"one of {', '.join(bought) or 'no line'}")
        elif quantity > bought[line_id]:
            reader.refuse(f"returned.{line_id}", f"at most {bought[line_id]}, which was bought")
    if section.expect.taken_back and not section.returned:
        reader.refuse("returned", "what comes back, since the test expects what is taken back")


def _word(reader: Reader, key: str, words: Sequence[str]) -> str | None:
    return reader.choice(key, words) if reader.has(key) else reader.raw(key)


def _member(reader: Reader, zone: ZoneInfo) -> CaseMember:
    return CaseMember(
        tier=reader.optional_text("tier"),
        status=reader.choice("status", MEMBER_STATUSES, default="active"),
        birth_date=reader.date("birth_date"),
        locale=reader.optional_text("locale"),
        source_channel=reader.optional_text("source_channel"),
        segments=reader.texts("segments"),
        tags=reader.texts("tags"),
        stage=_word(reader, "stage", STAGES),
        rfm=_word(reader, "rfm", GROUPS),
        enrolled_at=reader.moment("enrolled_at", zone),
        identifiers=reader.texts("identifiers"),
        consents=reader.texts("consents"),
    )


def _purchase(reader: Reader) -> CasePurchase:
    lines = []
    for number, each in enumerate(reader.readers("lines"), start=1):
        lines.append(_line(each, str(number)))
        each.close()
    if not lines:
        reader.refuse("lines", "a list of at least one line")
    ids = [line.line_id for line in lines]
    if len(set(ids)) != len(ids):
        reader.refuse("lines", "each line_id once")
    return CasePurchase(
        lines=tuple(lines),
        store=reader.optional_text("store"),
        channel=reader.optional_text("channel"),
        cashier=reader.optional_text("cashier"),
        device=reader.optional_text("device"),
        coupons=reader.texts("coupons"),
        points_paid=reader.decimal("points_paid", default=Decimal(0)),
    )


def _line(reader: Reader, line_id: str) -> CaseLine:
    return CaseLine(
        line_id=reader.text("line_id", default=line_id),
        sku=reader.optional_text("sku"),
        name=reader.optional_text("name"),
        category=reader.optional_text("category"),
        brand=reader.optional_text("brand"),
        quantity=reader.decimal("quantity", above=Decimal(0), places=3, default=Decimal(1)),
        unit_price=reader.decimal("unit_price"),
        discount=reader.decimal("discount", default=Decimal(0)),
        tax=reader.decimal("tax", default=Decimal(0)),
        tags=reader.texts("tags"),
    )


def _event(reader: Reader) -> CaseEvent:
    payload = reader.raw("payload")
    if payload is not None and not isinstance(payload, Mapping):
        reader.refuse("payload", "a mapping")
        payload = None
    return CaseEvent(type=reader.text("type"), payload=payload or {})


def _expectation(reader: Reader) -> Expectation:
    points = reader.optional_integer("points")
    tier = reader.optional_text("tier")
    awards = _counts(reader, "awards")
    not_applied = _reasons(reader)
    taken_back = _counts(reader, "taken_back")
    currencies = _counts(reader, "currencies")
    # Any other key is a currency: ``expect: {points: 20, status: 10}``.
    currencies |= {key: reader.integer(key, most=INTEGER_MAX) for key in reader.rest()}
    return Expectation(points, currencies, awards, tier, not_applied, taken_back)


def _reasons(reader: Reader) -> dict[str, str]:
    value: Any = reader.raw("not_applied")
    if value is None:
        return {}
    inner = Reader(value, reader.at("not_applied"), reader.problems)
    return {rule: inner.text(rule) for rule in inner.rest()}


def _counts(reader: Reader, key: str) -> dict[str, int]:
    value: Any = reader.raw(key)
    if value is None:
        return {}
    inner = Reader(value, reader.at(key), reader.problems)
    return {name: inner.integer(name, most=INTEGER_MAX) for name in inner.rest()}
