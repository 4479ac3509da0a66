"""Rules, caps and campaigns as a program file says them; field names are the keys of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

Localized = Mapping[str, str]

CAMPAIGN_STATUSES: Final = ("draft", "scheduled", "active", "paused", "ended", "archived")
# Of these the window tells when they give points.
LIVE_STATUSES: Final = ("scheduled", "active")


@dataclass(frozen=True, slots=True)
class PendingSection:
    """When points become available: after ``days``, or when what ``until`` names has come.

    ``until`` is ``event``, of a ``type`` that names the purchase, or ``approval`` by staff; after
    ``at_most_days`` they do in any case.
    """

    days: int | None = None
    until: str | None = None
    type: str | None = None
    at_most_days: int | None = None


@dataclass(frozen=True, slots=True)
class ScheduleSection:
    """The hours of a campaign, or when a rule is called, by the program's clock.

    See ``earning/schedules.py``.

    ``starts`` is ``HH:MM``; ``since`` is the day from which a rule counts, None where its days
    do not depend on when it began.
    """

    rrule: str
    starts: str
    minutes: int
    since: date | None = None


@dataclass(frozen=True, slots=True)
class RuleSection:
    """A rule; ``when``, ``lines``, ``effects`` and ``limits`` are its validated JSON.

    ``group`` names the group of ``stacking`` that it belongs to.
    ``schedule`` says when a rule of the trigger ``schedule`` is called.
    """

    code: str
    name: Localized
    trigger: str
    priority: int
    when: Mapping[str, Any] | None
    lines: Mapping[str, Any] | None
    effects: tuple[Mapping[str, Any], ...]
    limits: tuple[Mapping[str, Any], ...]
    pending: PendingSection | None = None
    group: str | None = None
    schedule: ScheduleSection | None = None


@dataclass(frozen=True, slots=True)
class GroupSection:
    """A group of rules; ``mode`` is one of ``earning/stacking.py: MODES``."""

    code: str
    mode: str


@dataclass(frozen=True, slots=True)
class StackingSection:
    """How rules go together; see ``earning/stacking.py``.

    Of the rules in one list of ``exclusive`` one applies; a pair of ``not_together`` is
    symmetric. Both name rules by their codes.
    """

    multipliers: str = "sum"
    groups: tuple[GroupSection, ...] = ()
    exclusive: tuple[tuple[str, ...], ...] = ()
    not_together: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class CapSection:
    """At most ``points`` of a currency from all rules together, per subject and period."""

    per: str
    period: str
    currency: str
    points: int


@dataclass(frozen=True, slots=True)
class CampaignSection:
    """A campaign with its promotions; ``starts_at`` inclusive, ``ends_at`` exclusive.

    ``budget_money`` is what the points that it gives may be worth, ``budget_uses`` the number of
    purchases and events that it gives something for.
    """

    code: str
    name: Localized
    description: Localized
    starts_at: datetime | None
    ends_at: datetime | None
    budget_points: int | None
    status: str
    rules: tuple[RuleSection, ...]
    schedule: ScheduleSection | None = None
    budget_money: Decimal | None = None
    budget_uses: int | None = None
