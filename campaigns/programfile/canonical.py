"""A document as plain JSON, and as the YAML text that reads back to the same document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from io import StringIO
from typing import Any, Final
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

from loyalty_site.lib.money import plain

from .document import ProgramDocument
from .rule_document import LIVE_STATUSES, CampaignSection, RuleSection

# Lists that stand for something else when they are missing.
_SAYS_NONE: Final = frozenset({"notice_days"})
# Keys of rules that came after the first versions were stored.
_LATER: Final = ("pending", "group", "schedule")


def canonical(document: ProgramDocument) -> dict[str, Any]:
    """Return the document as JSON with every default filled, by the keys of the file.

    Money is text; instants carry the offset of the program's time zone.
    """
    plain_document: dict[str, Any] = _plain(document, document.program.zone)
    return plain_document


def _plain(value: Any, zone: ZoneInfo) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name), zone) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each, zone) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, zone) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return plain(value)
    return value


def definition(
    rule: RuleSection,
    campaign: CampaignSection | None = None,
    values: Mapping[str, Decimal | None] | None = None,
) -> dict[str, Any]:
    """Return what a rule version stores: the rule, and its campaign's window and budget.

    Where money bounds what it gives, it stores the money that its points stood for, ``values``
    by currency.
    """
    utc = ZoneInfo("UTC")
    body: dict[str, Any] = _plain(rule, utc)
    for key in _LATER:
        # A rule that says nothing of it is the version that it was before rules could.
        if body[key] is None:
            del body[key]
    body["campaign"] = campaign and {
        "code": campaign.code,
        "starts_at": _plain(campaign.starts_at, utc),
        "ends_at": _plain(campaign.ends_at, utc),
        "budget_points": campaign.budget_points,
        **_said(campaign, ("schedule", "budget_money", "budget_uses"), utc),
    }
    if _counts_money(rule, campaign):
        given = sorted({each["currency"] for each in rule.effects if "currency" in each})
        body["worth"] = {
            code: plain(value) for code in given if (value := (values or {}).get(code)) is not None
        }
    return body


def _counts_money(rule: RuleSection, campaign: CampaignSection | None) -> bool:
    if campaign is not None and campaign.budget_money is not None:
        return True
    return any(limit.get("money") is not None for limit in rule.limits)


def _said(section: Any, names: Iterable[str], zone: ZoneInfo) -> dict[str, Any]:
    """Return what the section says: a key that it lacks makes no other version of a rule."""
    values = ((name, getattr(section, name)) for name in names)
    return {name: _plain(value, zone) for name, value in values if value is not None}


def live_definitions(document: ProgramDocument) -> list[dict[str, Any]]:
    """Return the definitions that can give points, in the order of the file.

    Standing rules come first, then those of the campaigns that are scheduled or active: their
    windows tell when.
    """
    values = {each.code: each.value for each in document.points}
    return [
        *(definition(rule, None, values) for rule in document.rules),
        *(
            definition(rule, campaign, values)
            for campaign in document.campaigns
            if campaign.status in LIVE_STATUSES
            for rule in campaign.rules
        ),
    ]


def caps_of(document: ProgramDocument) -> list[dict[str, Any]]:
    """Return the caps as a publication stores them."""
    plain_caps: list[dict[str, Any]] = _plain(document.caps, document.program.zone)
    return plain_caps


def stacking_of(document: ProgramDocument) -> dict[str, Any]:
    """Return which rules apply together, as a publication stores it; empty for all of them."""
    if document.stacking is None:
        return {}
    plain_stacking: dict[str, Any] = _plain(document.stacking, document.program.zone)
    return plain_stacking


def dump(program: Mapping[str, Any]) -> str:
    """Return a canonical program as YAML, without the keys that hold nothing."""
    yaml = YAML(typ="rt", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    yaml.dump(_without_empty(program), text)
    return text.getvalue()


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _without_empty(each) for key, each in value.items()}
        return {
            key: each
            for key, each in kept.items()
            if each not in (None, [], {}) or (key in _SAYS_NONE and each == [])
        }
    if isinstance(value, list | tuple):
        return [_without_empty(each) for each in value]
    return value
