"""Rewards as a member sees them: what they cost, what stands against, what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from loyalty_site.lib import calendars
from loyalty_site.pages.words import Words
from members.models import Member
from members.queries.balances import Balance
from rewards import wording
from rewards.eligibility import Holding, Offer, Reason, reasons
from rewards.models import Reward
from rewards.queries.catalog import EVER, OfferedReward

# The catalog with the member's uses in each reward's period. Pieces in holds count as taken.
FACTS: Final = """(SELECT coalesce(jsonb_agg(to_jsonb(w) ORDER BY w.points_price, w.id), '[]')
    FROM (
      SELECT w.id, w.code, w.kind, w.name, w.points_price, w.stock, w.tiers, w.segment,
        w.limit_uses, w.redeemable_from, w.redeemable_to,
        CASE WHEN w.limit_uses IS NOT NULL THEN (
          SELECT coalesce(sum(x.quantity), 0) FROM rewards_redemption x
          WHERE x.member_id = %(member)s::bigint AND x.reward_id = w.id
            AND x.state IN ('requested', 'held', 'fulfilled')
            AND x.created_at >= CASE w.limit_period
              WHEN 'day' THEN %(day)s::timestamptz WHEN 'week' THEN %(week)s::timestamptz
              WHEN 'month' THEN %(month)s::timestamptz WHEN 'year' THEN %(year)s::timestamptz
              ELSE '-infinity'::timestamptz END) ELSE 0 END AS uses
      FROM rewards_reward w
      WHERE w.program_id = %(program)s::bigint AND NOT w.is_retired) w)"""

SAVINGS: Final = ("discount_fixed", "discount_percent", "cashback", "gift_card", "free_shipping")
GOODS: Final = ("physical", "free_item")
TREATS: Final = ("service", "ticket", "badge")
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "savings": SAVINGS,
    "goods": GOODS,
    "treats": TREATS,
    "giving": ("donation",),
}
_GROUP_LABELS: Final[Mapping[str, Callable[[], str]]] = {
    "savings": lambda: pgettext("rewards", "Savings"),
    "goods": lambda: pgettext("rewards", "Goods"),
    "treats": lambda: pgettext("rewards", "Treats"),
    "giving": lambda: pgettext("rewards", "Giving"),
}
_KIND_LABELS: Final[Mapping[str, Callable[[], str]]] = {
    "physical": lambda: pgettext("kind of reward", "To take home"),
    "service": lambda: pgettext("kind of reward", "Treat"),
    "discount_fixed": lambda: pgettext("kind of reward", "Money off"),
    "discount_percent": lambda: pgettext("kind of reward", "Percent off"),
    "free_item": lambda: pgettext("kind of reward", "Free item"),
    "free_shipping": lambda: pgettext("kind of reward", "Free delivery"),
    "cashback": lambda: pgettext("kind of reward", "Cashback"),
    "gift_card": lambda: pgettext("kind of reward", "Gift card"),
    "donation": lambda: pgettext("kind of reward", "Donation"),
    "ticket": lambda: pgettext("kind of reward", "Event"),
    "badge": lambda: pgettext("kind of reward", "Badge"),
}


def values(moment: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Return the beginnings of the periods that ``FACTS`` counts uses in."""
    day = calendars.local_day(moment, zone)
    starts = {name: calendars.period_start(name, day) for name in ("day", "week", "month", "year")}
    return {
        name: EVER if start is None else calendars.start_of_day(start, zone)
        for name, start in starts.items()
    }


def holding(member: Member, balance: Balance, tier: str | None, segments: Sequence[str]) -> Holding:
    """Return the member's side of the question whether a reward can be redeemed."""
    return Holding(
        available=balance.available,
        debt=balance.debt,
        status=member.status,
        tier=tier,
        segments=frozenset(segments),
    )


def next_reward(
    words: Words, rows: Sequence[Mapping[str, Any]], held: Holding, moment: datetime
) -> dict[str, Any] | None:
    """Return the cheapest reward that only lacks points, else the dearest that can be had."""
    goal, best = None, None
    for row in rows:
        against = reasons(_offer(row), _with_uses(held, row["uses"]), moment)
        if not against:
            best = row
        elif goal is None and [reason.code for reason in against] == ["insufficient_points"]:
            goal = row
    chosen = goal or best
    if chosen is None:
        return None
    price = chosen["points_price"]
    return {
        "name": words.pick(chosen["name"], chosen["code"]),
        "kind": chosen["kind"],
        "price": words.points(price),
        "missing": words.points(max(price - held.available, 0)),
        "progress": progress(held.available, price),
        "url": reverse("reward_redeem", args=[chosen["code"]]),
        "eligible": chosen is best,
    }


def card(
    words: Words, offered: OfferedReward, *, available: int, tier_names: Mapping[str, str]
) -> dict[str, Any]:
    """Return one reward of the catalog with every reason against it."""
    reward, against = offered.reward, offered.reasons or ()
    missing = next((each.missing_points for each in against if each.missing_points), None)
    return {
        **headline(words, reward),
        "price": words.points(reward.points_price),
        "eligible": offered.is_eligible,
        "redeem_url": reverse("reward_redeem", args=[reward.code]),
        "reasons": told(words, against, tier_names=tier_names),
        "missing": words.points(missing) if missing else None,
        "progress": progress(available, reward.points_price),
        "stock_left": offered.stock,
        "ends_on": words.last_day(reward.redeemable_to),
    }


def headline(words: Words, reward: Reward) -> dict[str, Any]:
    """Return what names a reward."""
    return {
        "code": reward.code,
        "name": words.pick(reward.name, reward.code),
        "description": words.pick(reward.description),
        "kind": reward.kind,
        "kind_label": kind_label(reward.kind),
    }


def told(
    words: Words, against: Sequence[Reason], *, tier_names: Mapping[str, str]
) -> list[dict[str, str]]:
    """Return each reason as a sentence; a lack of points alone says how many are missing."""
    sentences = []
    for reason in against:
        text = wording.sentence(reason, zone=words.zone, tier_names=tier_names)
        if reason.code == "insufficient_points":
            text = _("%(points)s to go") % {"points": words.points(reason.missing_points or 0).text}
        sentences.append({"code": reason.code, "text": text})
    return sentences


def filters(cards: Sequence[Mapping[str, Any]], chosen: str, url: str) -> list[dict[str, Any]]:
    """Return the ways to narrow the catalog; a group without rewards is left out."""
    affordable = sum(1 for each in cards if each["eligible"])
    rows = [
        ("", pgettext("rewards", "All"), len(cards)),
        ("affordable", pgettext("rewards", "I can get now"), affordable),
    ]
    for code, kinds in GROUPS.items():
        number = sum(1 for each in cards if each["kind"] in kinds)
        if number:
            rows.append((code, _GROUP_LABELS[code](), number))
    return [
        {
            "label": label,
            "url": f"{url}?show={code}" if code else url,
            "is_current": code == chosen,
            "count": number,
        }
        for code, label, number in rows
    ]


def narrowed(cards: Sequence[dict[str, Any]], chosen: str) -> list[dict[str, Any]]:
    """Return the cards that a filter leaves; an unknown one leaves all."""
    if chosen == "affordable":
        return [each for each in cards if each["eligible"]]
    kinds = GROUPS.get(chosen)
    return [each for each in cards if kinds is None or each["kind"] in kinds]


def kind_label(kind: str) -> str:
    """Return the kind of a reward in a word or two."""
    label = _KIND_LABELS.get(kind)
    return label() if label else kind


def progress(available: int, price: int) -> int:
    """Return how much of a price there is, from 0 to 100."""
    return min(max(available, 0) * 100 // price, 100)


def _offer(row: Mapping[str, Any]) -> Offer:
    return Offer(
        points_price=row["points_price"],
        stock=row["stock"],
        tiers=tuple(row["tiers"]),
        segment=row["segment"] or None,
        limit_uses=row["limit_uses"],
        redeemable_from=_instant(row["redeemable_from"]),
        redeemable_to=_instant(row["redeemable_to"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _with_uses(held: Holding, uses: Decimal | int) -> Holding:
    return Holding(held.available, held.debt, held.status, held.tier, held.segments, int(uses))
