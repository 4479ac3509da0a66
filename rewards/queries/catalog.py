"""The catalog as a member finds it: what is offered, and every reason against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import QuerySet, Sum
from django.utils.translation import get_language

from loyalty_site.lib import calendars
from loyalty_site.lib.languages import pick, preferred
from members.models import Program, Tier
from members.queries.program import point_currency
from rewards.eligibility import Offer, Reason, reasons
from rewards.models import Redemption, Reward
from rewards.queries.standing import Standing, standing_of

EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OfferedReward:
    """A reward with the pieces that are left; ``reasons`` None where nobody asks."""

    reward: Reward
    stock: int | None
    reasons: tuple[Reason, ...] | None = None

    @property
    def is_eligible(self) -> bool | None:
        """Return whether the member can redeem it now; None where nobody asks."""
        return None if self.reasons is None else not self.reasons


def rewards_of(program: Program) -> QuerySet[Reward]:
    """Return the rewards that are in the catalog, in no order."""
    return Reward.objects.filter(program=program, is_retired=False)


def offered(
    *, program: Program, rewards: Sequence[Reward], moment: datetime, member_id: int | None
) -> list[OfferedReward]:
    """Return each reward as it stands at the moment, for the member where one is given."""
    lapsed = lapsed_pieces([row.pk for row in rewards if row.stock is not None], moment)
    stocks = {row.pk: stock_with(row, lapsed) for row in rewards}
    if member_id is None:
        return [OfferedReward(row, stocks[row.pk]) for row in rewards]
    standing = standing_of(
        member_id=member_id, currency_id=point_currency(program).pk, moment=moment
    )
    uses = uses_of(
        member_id=member_id, rewards=rewards, zone=ZoneInfo(program.timezone), moment=moment
    )
    return [
        OfferedReward(
            row,
            stocks[row.pk],
            tuple(
                reasons(
                    offer_of(row, stocks[row.pk]), standing.holding(uses.get(row.pk, 0)), moment
                )
            ),
        )
        for row in rewards
    ]


def offer_of(reward: Reward, stock: int | None) -> Offer:
    """Return what the reward asks, with ``stock`` as the pieces that are left."""
    return Offer(
        points_price=reward.points_price,
        stock=stock,
        tiers=tuple(reward.tiers),
        segment=reward.segment or None,
        limit_uses=reward.limit_uses,
        redeemable_from=reward.redeemable_from,
        redeemable_to=reward.redeemable_to,
    )


def against(
    *,
    reward: Reward,
    standing: Standing,
    zone: ZoneInfo,
    moment: datetime,
    quantity: int,
) -> list[Reason]:
    """Return every reason why the member cannot redeem ``quantity`` of the reward now."""
    lapsed = {} if reward.stock is None else lapsed_pieces([reward.pk], moment)
    uses = uses_of(member_id=standing.member_id, rewards=[reward], zone=zone, moment=moment)
    offer = offer_of(reward, stock_with(reward, lapsed))
    return reasons(offer, standing.holding(uses.get(reward.pk, 0)), moment, quantity)


def stock_with(reward: Reward, lapsed: Mapping[int, int]) -> int | None:
    """Return the pieces left, those in holds past their time included; None is no limit."""
    return None if reward.stock is None else reward.stock + lapsed.get(reward.pk, 0)


def lapsed_pieces(reward_ids: Sequence[int], moment: datetime) -> dict[int, int]:
    """Return by reward how many pieces are in holds whose time is over."""
    if not reward_ids:
        return {}
    rows = (
        Redemption.objects.filter(
            state=Redemption.State.HELD, hold_expires_at__lte=moment, reward__in=reward_ids
        )
        .values("reward_id")
        .annotate(pieces=Sum("quantity"))
        .values_list("reward_id", "pieces")
    )
    return dict(rows)


def limit_day(reward: Reward, moment: datetime, zone: ZoneInfo) -> date | None:
    """Return the day on which the reward's limit period began; None without one."""
    if reward.limit_uses is None:
        return None
    return calendars.period_start(reward.limit_period, calendars.local_day(moment, zone))


def uses_of(
    *, member_id: int, rewards: Iterable[Reward], zone: ZoneInfo, moment: datetime
) -> dict[int, int]:
    """Return by reward how many pieces the member redeemed or holds in its limit period."""
    since = {}
    for row in rewards:
        if row.limit_uses is not None:
            day = limit_day(row, moment, zone)
            since[row.pk] = EVER if day is None else calendars.start_of_day(day, zone)
    if not since:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_USES, [list(since), list(since.values()), member_id, moment])
        return dict(cursor.fetchall())


_USES = """
SELECT w.reward_id, sum(r.quantity)::bigint
FROM unnest(%s::bigint[], %s::timestamptz[]) w(reward_id, since)
JOIN rewards_redemption r ON r.member_id = %s::bigint AND r.reward_id = w.reward_id
  AND r.created_at >= w.since
WHERE NOT r.is_granted AND (r.state IN ('requested', 'fulfilled')
  OR (r.state = 'held' AND r.hold_expires_at > %s::timestamptz))
GROUP BY w.reward_id
"""


def names_tiers(reasons: Iterable[Reason]) -> bool:
    """Return whether the reasons speak of tiers, so that their names are needed."""
    return any(reason.code == "tier_too_low" for reason in reasons)


def tier_names(program: Program) -> dict[str, str]:
    """Return the names of the tiers by code, in the active language."""
    languages = preferred("", get_language() or "", program.locale)
    rows = Tier.objects.filter(program=program).values_list("code", "name")
    return {code: pick(name, languages, otherwise=code) for code, name in rows}
