"""What is usually sold, from which a campaign's cost is estimated before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from campaigns.campaign_templates import Usual, Wish

DAYS: Final = 28
# Enough of the newest purchases to know what a shop sells, however large its history is.
SAMPLE: Final = 5000

_BY_HOUR = """
SELECT extract(isodow FROM p.occurred_at AT TIME ZONE %(zone)s)::int,
  extract(hour FROM p.occurred_at AT TIME ZONE %(zone)s)::int,
  sum(p.net), count(*), count(*) FILTER (WHERE p.net >= %(amount)s)
FROM members_purchase p
WHERE p.member_id IS NOT NULL AND p.occurred_at > %(since)s AND p.occurred_at <= %(moment)s
GROUP BY 1, 2
"""
# The sums of a sample, brought to the size of the whole.
_BY_CATEGORY = """
SELECT l.category, sum(l.net)
FROM (SELECT id FROM members_purchase
      WHERE member_id IS NOT NULL ORDER BY id DESC LIMIT %(sample)s) p
JOIN members_purchaseline l ON l.purchase_id = p.id
WHERE l.category <> '' GROUP BY 1 ORDER BY 2 DESC, 1
"""
_MEMBERS = """
SELECT count(*), count(*) FILTER (WHERE m.enrolled_at > %(since)s),
  count(*) FILTER (WHERE s.last < %(away)s)
FROM members_member m
LEFT JOIN LATERAL (SELECT p.occurred_at AS last FROM members_purchase p
                   WHERE p.member_id = m.id ORDER BY p.occurred_at DESC LIMIT 1) s ON true
WHERE m.status = 'active' AND m.enrolled_at <= %(moment)s
"""


def categories() -> list[str]:
    """Return the categories of the newest purchases, those that sell most first."""
    return [name for name, _net in _rows(_BY_CATEGORY, {"sample": SAMPLE})][:200]


def usual(*, document: Mapping[str, Any], wish: Wish, moment: datetime) -> Usual:
    """Return what members bought in the latest four weeks, as far as the wish asks for it."""
    since = moment - timedelta(days=DAYS)
    told = {
        "zone": document["program"]["timezone"],
        "amount": wish.amount,
        "since": since,
        "moment": moment,
        "away": moment - timedelta(days=wish.days),
    }
    hours = _rows(_BY_HOUR, told)
    net = sum((row[2] for row in hours), Decimal(0))
    members, enrolled, away = _rows(_MEMBERS, told)[0]
    return Usual(
        days=DAYS,
        purchases=sum(row[3] for row in hours),
        net=net,
        rate=base_rate(document, wish.currency),
        by_hour={(row[0], row[1]): row[2] for row in hours},
        by_category=_scaled(_rows(_BY_CATEGORY, {"sample": SAMPLE}), net),
        at_least=sum(row[4] for row in hours),
        enrolled=enrolled,
        members=members,
        away=away,
    )


def base_rate(document: Mapping[str, Any], currency: str) -> Decimal:
    """Return the base points for one unit of money, by the first standing rate of purchases."""
    for rule in document.get("rules") or ():
        for effect in rule["effects"]:
            if effect["kind"] == "earn_rate" and effect["currency"] == currency:
                return Decimal(effect["points"]) / Decimal(effect["per"])
    return Decimal(0)


def _scaled(rows: list[tuple[Any, ...]], net: Decimal) -> dict[str, Decimal]:
    seen = sum((row[1] for row in rows), Decimal(0))
    return {row[0]: row[1] * net / seen for row in rows} if seen > 0 else {}


def _rows(sql: str, told: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, told)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
