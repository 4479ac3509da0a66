"""The partners of a program file, typed; see ``document``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PartnerCapsSection:
    """Points of one member and day, from the partner and to it; None is without a cap."""

    given_per_day: int | None = None
    taken_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class PartnerRateSection:
    """What is agreed from an instant on; see ``members/models/partners.py: PartnerRate``."""

    starts_at: datetime | None
    rate_in: Decimal | None
    rate_out: Decimal | None
    price_in: Decimal
    price_out: Decimal


@dataclass(frozen=True, slots=True)
class PartnerSection:
    """A partner of the coalition; ``currency`` None is the first that buys rewards."""

    code: str
    name: Mapping[str, str]
    unit: str | None
    currency: str | None
    funding: str
    caps: PartnerCapsSection
    rates: tuple[PartnerRateSection, ...]
