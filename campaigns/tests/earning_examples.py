"""Small facts and rules for the tests of earning."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.earning.facts import EventFacts, LineFacts, MemberFacts, PurchaseFacts
from campaigns.earning.rules import Campaign, CompiledRule, compile_rule

LISBON = ZoneInfo("Europe/Lisbon")
# A Sunday.
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEMBER = MemberFacts(id="m-1", tier="bronze")


def line(net: str, category: str | None = None, **facts: Any) -> LineFacts:
    """Return a line of one piece at ``net``."""
    amount = Decimal(net)
    line_id = facts.pop("line_id", "1")
    return LineFacts(
        line_id=line_id,
        position=0,
        quantity=facts.pop("quantity", Decimal(1)),
        unit_price=amount,
        net=amount,
        category=category,
        **facts,
    )


def purchase(*lines: LineFacts, at: datetime = NOON, **facts: Any) -> PurchaseFacts:
    """Return a purchase of the lines, in euro and in Lisbon."""
    return PurchaseFacts(
        source="pos",
        occurred_at=at,
        local=at.astimezone(LISBON),
        currency=facts.pop("currency", "EUR"),
        lines=lines,
        net=sum((each.net for each in lines), Decimal(0)),
        **facts,
    )


def event(type_: str, at: datetime = NOON, **payload: Any) -> EventFacts:
    """Return an event of Lisbon."""
    return EventFacts(type_, at, at.astimezone(LISBON), payload)


def rate(points: int = 1, per: str = "1.00", currency: str = "points") -> dict[str, Any]:
    """Return an ``earn_rate`` effect."""
    return {"kind": "earn_rate", "currency": currency, "points": points, "per": per}


def fixed(points: int, currency: str = "points") -> dict[str, Any]:
    """Return an ``earn_fixed`` effect."""
    return {"kind": "earn_fixed", "currency": currency, "points": points}


def multiply(factor: str, currency: str = "points") -> dict[str, Any]:
    """Return a ``multiply_base`` effect."""
    return {"kind": "multiply_base", "currency": currency, "factor": factor}


def rule(
    code: str, *effects: Mapping[str, Any], campaign: Campaign | None = None, **body: Any
) -> CompiledRule:
    """Return a rule for purchases, named by its code."""
    return compile_rule(
        {"code": code, "trigger": "purchase", "effects": list(effects), **body},
        version=1,
        campaign=campaign,
    )


def is_(attr: str, op: str, value: object) -> dict[str, Any]:
    """Return a condition."""
    return {"attr": attr, "op": op, "value": value}


BASE = rule("base", rate(), name="1 point per euro")
