"""Reads rules: trigger, conditions, effects and limits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, Final

from campaigns.earning import conditions, effects, grants, triggers
from loyalty_site.lib import calendars
from loyalty_site.lib.money import plain

from . import pending_section, schedule_section
from .reader import Reader
from .rule_document import CapSection, RuleSection

LIMIT_SUBJECTS: Final = ("member", "store", "device", "member_store", "code", "program")
# A cap of the whole program would be one row that every till waits for.
CAP_SUBJECTS: Final = ("member", "store", "device")
_PURCHASE_SCOPES: Final = frozenset({"member", "history", "purchase", "moment"})
_EVENT_SCOPES: Final = frozenset({"member", "history", "event", "moment"})
_LINE_SCOPES: Final = frozenset({"line", "member", "history", "purchase", "moment"})


def read(reader: Reader, locale: str) -> RuleSection:
    """Return one rule; a rule without a name bears its code."""
    code = reader.code()
    trigger = _trigger(reader)
    on_event = trigger != triggers.PURCHASE
    section = RuleSection(
        code=code,
        name=reader.localized("name", locale, required=False) or {locale: code},
        trigger=trigger,
        priority=reader.integer("priority", most=1_000_000, default=0),
        when=condition(reader, "when", _EVENT_SCOPES if on_event else _PURCHASE_SCOPES),
        lines=condition(reader, "lines", _LINE_SCOPES),
        effects=_effects(reader, on_event, locale),
        limits=_limits(reader, on_event),
        pending=reader.section("pending", pending_section.read),
        group=reader.code("group") if reader.has("group") else reader.raw("group"),
        schedule=reader.section("schedule", schedule_section.read_call),
    )
    if (section.schedule is not None) != (trigger == triggers.SCHEDULE):
        reader.refuse("schedule", "a schedule for the trigger schedule, and for no other")
    if on_event and section.lines:
        reader.refuse("lines", "no lines: an event has none")
    return section


def read_cap(reader: Reader) -> CapSection:
    """Return one cap on what all rules give together."""
    return CapSection(
        per=reader.choice("per", CAP_SUBJECTS, default="member"),
        period=reader.choice("period", calendars.PERIODS, default="day"),
        currency=reader.code("currency"),
        points=reader.integer("points", least=1),
    )


def _trigger(reader: Reader) -> str:
    value = reader.raw("trigger", required=True, expected=triggers.EXPECTED)
    if value is None:
        return triggers.PURCHASE
    if not triggers.is_trigger(value):
        reader.refuse("trigger", triggers.EXPECTED)
        return triggers.PURCHASE
    return str(value)


def condition(
    reader: Reader, key: str, scopes: Collection[str], *, required: bool = False
) -> Mapping[str, Any] | None:
    """Return a validated condition tree, None when it is missing or wrong."""
    tree = reader.raw(key, required=required, expected="a condition")
    if tree is None:
        return None
    mistakes = conditions.validate(tree, scopes, reader.at(key))
    for path, expected in mistakes:
        reader.problems.add(path, expected)
    return None if mistakes else tree


def _effects(reader: Reader, on_event: bool, locale: str) -> tuple[Mapping[str, Any], ...]:
    found: list[dict[str, Any]] = []
    for effect in reader.readers("effects"):
        kind = effect.choice("kind", (*effects.COMPILERS, *grants.KINDS))
        if kind in grants.KINDS:
            found.append({"kind": kind, **grants.KINDS[kind].read(effect, locale)})
            effect.close()
            continue
        if on_event and kind not in effects.EVENT_EFFECTS:
            usable = ", ".join((*sorted(effects.EVENT_EFFECTS), *grants.KINDS))
            effect.refuse("kind", f"one of {usable} for an event")
        found.append({"kind": kind, "currency": effect.code("currency"), **_figures(effect, kind)})
        effect.close()
    if not found:
        reader.refuse("effects", "a list of at least one effect")
    return tuple(found)


def _figures(reader: Reader, kind: str) -> dict[str, Any]:
    if kind == "earn_rate":
        return {
            "points": reader.integer("points", least=1),
            "per": _amount(reader.decimal("per", above=Decimal(0))),
            "basis": reader.choice("basis", effects.BASES, default="net"),
            "rounding": reader.choice("rounding", ("floor",), default="floor"),
        }
    if kind == "earn_fixed":
        return {"points": reader.integer("points", least=1)}
    return {"factor": plain(reader.decimal("factor", above=Decimal(1), most=Decimal(1000)))}


def _amount(amount: Decimal) -> str:
    """Return an amount with the two places that most money has, more where it was given more."""
    text = plain(amount)
    whole, _, part = text.partition(".")
    return f"{whole}.{part:0<2}"


def _limits(reader: Reader, on_event: bool) -> tuple[Mapping[str, Any], ...]:
    subjects = ("member", "program") if on_event else LIMIT_SUBJECTS
    found = []
    for limit in reader.readers("limits"):
        body = {
            "per": limit.choice("per", subjects),
            "period": limit.choice("period", calendars.PERIODS),
            "points": limit.optional_integer("points", least=1),
            "uses": limit.optional_integer("uses", least=1),
        }
        money = limit.optional_decimal("money")
        if money is not None:
            body["money"] = _amount(money)
        if all(body.get(key) is None for key in ("points", "uses", "money")):
            limit.refuse("points", "points, uses or money")
        found.append(body)
        limit.close()
    return tuple(found)
