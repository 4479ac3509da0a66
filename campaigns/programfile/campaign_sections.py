"""Reads campaigns: their window, hours and budget, and the promotions in them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from . import rule_sections, schedule_section
from .reader import Reader
from .rule_document import CAMPAIGN_STATUSES, CampaignSection, RuleSection


def read(reader: Reader, zone: ZoneInfo, locale: str) -> CampaignSection:
    """Return one campaign."""
    starts_at = reader.moment("starts_at", zone)
    ends_at = reader.moment("ends_at", zone)
    # A schedule that counts from a day does from the campaign's first.
    first = starts_at.astimezone(zone).date() if starts_at else None
    section = CampaignSection(
        code=reader.code(),
        name=reader.localized("name", locale),
        description=reader.localized("description", locale, required=False),
        starts_at=starts_at,
        ends_at=ends_at,
        budget_points=reader.optional_integer("budget_points"),
        status=reader.choice("status", CAMPAIGN_STATUSES, default="draft"),
        rules=tuple(_rule(each, locale) for each in reader.readers("rules")),
        schedule=reader.section("schedule", lambda inner: schedule_section.read(inner, first)),
        budget_money=reader.optional_decimal("budget_money"),
        budget_uses=reader.optional_integer("budget_uses"),
    )
    if starts_at and ends_at and ends_at <= starts_at:
        reader.refuse("ends_at", "a moment after starts_at")
    return section


def _rule(reader: Reader, locale: str) -> RuleSection:
    section = rule_sections.read(reader, locale)
    reader.close()
    return section
