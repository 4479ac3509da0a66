"""When points end that nobody gave an end, such as those that staff give by hand."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.queries.rulebook import expiry_policy
from members import lots
from members.models import PointCurrency


def default_end(currency: PointCurrency, moment: datetime, zone: ZoneInfo) -> datetime | None:
    """Return when points of the currency end that are earned at the moment; None is never.

    Where they last by tier, they last as on the lowest.
    """
    if currency.kind != PointCurrency.Kind.REDEEMABLE:
        return None
    return lots.expires_at(expiry_policy(currency.expiry).for_tier(None), moment, zone)
