"""Reads campaigns: their window, hours and budget, and the promotions in them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.earning import schedules

from . import rule_sections
from .reader import Reader
from .rule_document import CAMPAIGN_STATUSES, CampaignSection, RuleSection, ScheduleSection

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def read(reader: Reader, zone: ZoneInfo, locale: str) -> CampaignSection:
    """Return one campaign."""
    starts_at = reader.moment("starts_at", zone)
    ends_at = reader.moment("ends_at", zone)
    section = CampaignSection(
        code=reader.code(),
        name=reader.localized("name", locale),
        description=reader.localized("description", locale, required=False),
        starts_at=starts_at,
        ends_at=ends_at,
        budget_points=reader.optional_integer("budget_points"),
        status=reader.choice("status", CAMPAIGN_STATUSES, default="draft"),
        rules=tuple(_rule(each, locale) for each in reader.readers("rules")),
        schedule=reader.section("schedule", lambda inner: _schedule(inner, starts_at, zone)),
    )
    if starts_at and ends_at and ends_at <= starts_at:
        reader.refuse("ends_at", "a moment after starts_at")
    return section


def _rule(reader: Reader, locale: str) -> RuleSection:
    section = rule_sections.read(reader, locale)
    reader.close()
    return section


def _schedule(reader: Reader, starts_at: datetime | None, zone: ZoneInfo) -> ScheduleSection:
    """Return the hours; a rule that counts from a day does from the campaign's first."""
    rrule = reader.text("rrule")
    starts = reader.text("starts", default="00:00")
    if not _TIME.fullmatch(starts):
        reader.refuse("starts", "a time of day, such as 17:00")
    minutes = reader.integer("minutes", least=1, most=schedules.MINUTES_MAX)
    since = reader.date("since")
    if rrule:
        try:
            if since is None and starts_at is not None and schedules.needs_first_day(rrule):
                since = starts_at.astimezone(zone).date()
            schedules.recurrence(rrule, since)
        except schedules.NotASchedule as refused:
            reader.refuse("rrule", str(refused))
    return ScheduleSection(rrule=rrule, starts=starts, minutes=minutes, since=since)
