"""Campaigns that a shop starts in a minute: a few figures in, a whole campaign out.

Pure: each template is one function from what a form says to a campaign as the program file has
it, and one that estimates from the usual sales how many points it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

Body = dict[str, Any]

WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# A budget is proposed with so much room above the estimate.
ROOM: Final = Decimal("1.5")
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a form says; a template reads the figures of its ``fields`` alone.

    Amounts are of the program's money, ``per_unit`` are extra points for one unit of it.
    """

    code: str
    name: str
    locale: str
    currency: str
    starts_at: datetime
    ends_at: datetime
    budget_points: int | None = None
    factor: Decimal = Decimal(2)
    per_unit: int = 1
    points: int = 50
    more_points: int = 100
    amount: Decimal = Decimal(50)
    category: str = ""
    coupon: str = ""
    days: int = 30
    more_days: int = 180
    weekdays: tuple[str, ...] = ()
    from_time: time = time(17)
    minutes: int = 120
    day_of_month: int = 1

    @property
    def length_days(self) -> Decimal:
        """Return how many days the campaign lasts."""
        return Decimal((self.ends_at - self.starts_at) // timedelta(hours=1)) / 24


@dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """What was sold to members in the latest ``days``; ``rate`` is base points for one unit.

    ``by_hour`` is by weekday (Monday is 1) and hour, ``at_least`` counts purchases of the
    wish's amount, ``away`` the members who did not come for the wish's days.
    """

    days: int = 28
    purchases: int = 0
    net: Decimal = Decimal(0)
    rate: Decimal = Decimal(1)
    by_hour: Mapping[tuple[int, int], Decimal] = field(default_factory=dict)
    by_category: Mapping[str, Decimal] = field(default_factory=dict)
    at_least: int = 0
    enrolled: int = 0
    members: int = 0
    away: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignTemplate:
    """One kind of campaign: the figures that it asks for, what it becomes, what it costs.

    ``expected`` gives points in the usual number of days; ``starting`` the figures with which
    the form begins, where they differ from the wish's own.
    """

    code: str
    fields: tuple[str, ...]
    rules: Callable[[Wish], list[Body]]
    expected: Callable[[Wish, Usual], Decimal]
    schedule: Callable[[Wish], Body] | None = None
    length_days: int = 7
    starting: Mapping[str, Any] = field(default_factory=dict)

    def body(self, wish: Wish) -> Body:
        """Return the campaign as the program file has it, without a state."""
        found: Body = {
            "code": wish.code,
            "name": {wish.locale: wish.name},
            "description": {},
            "starts_at": wish.starts_at.isoformat(),
            "ends_at": wish.ends_at.isoformat(),
            "budget_points": wish.budget_points,
            "rules": self.rules(wish),
        }
        if self.schedule is not None:
            found["schedule"] = self.schedule(wish)
        return found


def estimate(template: CampaignTemplate, wish: Wish, usual: Usual) -> int:
    """Return how many points the campaign gives if sales go on as they did."""
    found = template.expected(wish, usual) * wish.length_days / usual.days
    return int(found.to_integral_value(ROUND_CEILING))


def proposed_budget(points: int) -> int:
    """Return a budget with room above an estimate, as a round figure of at least 500."""
    wanted = max(int(points * ROOM), 500)
    step: int = 10 ** (len(str(wanted)) - 2)
    return -(-wanted // step) * step


def _rule(wish: Wish, effect: Body, *, number: int = 1, **more: Any) -> Body:
    return {
        "code": f"{wish.code}-{number}",
        "name": {wish.locale: wish.name},
        "trigger": "purchase",
        "effects": [{**effect, "currency": wish.currency}],
        **more,
    }


def _times(wish: Wish) -> list[Body]:
    return [_rule(wish, {"kind": "multiply_base", "factor": format(wish.factor.normalize(), "f")})]


def _rate(wish: Wish, **more: Any) -> Body:
    effect = {
        **{"kind": "earn_rate", "points": wish.per_unit, "per": "1.00"},
        **{"basis": "net", "rounding": "floor"},
    }
    return _rule(wish, effect, **more)


def _fixed(points: int) -> Body:
    return {"kind": "earn_fixed", "points": points}


def _leaf(attr: str, op: str, value: Any) -> Body:
    return {"attr": attr, "op": op, "value": value}


def _extra_of_base(wish: Wish, usual: Usual, net: Decimal) -> Decimal:
    return net * usual.rate * (wish.factor - 1)


def _share_of_hours(wish: Wish, usual: Usual) -> Decimal:
    """Return the net of the wish's hours, each hour of the day counted by what lies within."""
    found = Decimal(0)
    start = wish.from_time.hour * 60 + wish.from_time.minute
    for (weekday, hour), net in usual.by_hour.items():
        if WEEKDAYS[weekday - 1] in wish.weekdays:
            inside = min(start + wish.minutes, hour * 60 + 60) - max(start, hour * 60)
            found += net * max(inside, 0) / 60
    return found


def _weekly(wish: Wish) -> Body:
    days = [day for day in WEEKDAYS if day in wish.weekdays]
    return {
        "rrule": f"FREQ=WEEKLY;BYDAY={','.join(days)}",
        "starts": wish.from_time.strftime("%H:%M"),
        "minutes": wish.minutes,
    }


def _monthly(wish: Wish) -> Body:
    rrule = f"FREQ=MONTHLY;BYMONTHDAY={wish.day_of_month}"
    return {"rrule": rrule, "starts": "00:00", "minutes": _DAY_MINUTES}


def _win_back(wish: Wish) -> list[Body]:
    away = "member.days_since_purchase"
    steps = (
        (_leaf(away, "between", [wish.days, wish.more_days - 1]), wish.points),
        (_leaf(away, "gte", wish.more_days), wish.more_points),
    )
    # Whoever stays away again and again is not paid for it more than twice a year.
    return [
        _rule(
            wish,
            _fixed(points),
            number=number,
            when=when,
            limits=[{"per": "member", "period": "year", "uses": 1}],
        )
        for number, (when, points) in enumerate(steps, start=1)
    ]


def _welcome(wish: Wish) -> list[Body]:
    new = [
        _leaf("member.purchases_count", "eq", 0),
        _leaf("member.days_since_enrolment", "lte", wish.days),
    ]
    limits = [{"per": "member", "period": "lifetime", "uses": 1}]
    return [_rule(wish, _fixed(wish.points), when={"all": new}, limits=limits)]


def _birthday(wish: Wish) -> list[Body]:
    # The program notes a birthday once a year, whatever is edited; the limit says it too.
    limits = [{"per": "member", "period": "year", "uses": 1}]
    return [{**_rule(wish, _fixed(wish.points), limits=limits), "trigger": "birthday"}]


def _threshold(wish: Wish) -> list[Body]:
    when = _leaf("purchase.net", "gte", f"{wish.amount:.2f}")
    limits = [{"per": "member", "period": "day", "uses": 1}]
    return [_rule(wish, _fixed(wish.points), when=when, limits=limits)]


def _of_category(wish: Wish, **more: Any) -> list[Body]:
    return [_rate(wish, lines=_leaf("line.category", "eq", wish.category), **more)]


def _net_of_category(wish: Wish, usual: Usual) -> Decimal:
    return usual.by_category.get(wish.category, Decimal(0)) * wish.per_unit


TEMPLATES: Final = (
    CampaignTemplate(
        code="double-points",
        fields=("factor",),
        rules=_times,
        expected=lambda wish, usual: _extra_of_base(wish, usual, usual.net),
        length_days=2,
    ),
    CampaignTemplate(
        code="happy-hour",
        fields=("factor", "weekdays", "from_time", "minutes"),
        rules=_times,
        schedule=_weekly,
        expected=lambda wish, usual: _extra_of_base(wish, usual, _share_of_hours(wish, usual)),
        length_days=28,
        starting={"weekdays": ("TU", "WE", "TH")},
    ),
    CampaignTemplate(
        code="member-day",
        fields=("factor", "day_of_month"),
        rules=_times,
        schedule=_monthly,
        # One day of about thirty.
        expected=lambda wish, usual: _extra_of_base(wish, usual, usual.net / 30),
        length_days=364,
    ),
    CampaignTemplate(
        code="category-week",
        fields=("category", "per_unit"),
        rules=_of_category,
        expected=_net_of_category,
        starting={"per_unit": 2},
    ),
    CampaignTemplate(
        code="welcome",
        fields=("points", "days"),
        rules=_welcome,
        expected=lambda wish, usual: Decimal(usual.enrolled * wish.points),
        length_days=364,
        starting={"points": 100},
    ),
    CampaignTemplate(
        code="birthday",
        fields=("points",),
        rules=_birthday,
        expected=lambda wish, usual: Decimal(usual.members * wish.points * usual.days) / 365,
        length_days=364,
        starting={"points": 100},
    ),
    CampaignTemplate(
        code="win-back",
        fields=("days", "points", "more_days", "more_points"),
        rules=_win_back,
        # One in ten comes back; what more do is what the campaign is for.
        expected=lambda wish, usual: Decimal(usual.away * wish.points) / 10,
        length_days=182,
        starting={"days": 90},
    ),
    CampaignTemplate(
        code="spend-threshold",
        fields=("amount", "points"),
        rules=_threshold,
        expected=lambda wish, usual: Decimal(usual.at_least * wish.points),
        length_days=14,
    ),
    CampaignTemplate(
        code="category-coupon",
        fields=("coupon", "category", "per_unit"),
        rules=lambda wish: _of_category(
            wish, when=_leaf("purchase.coupon", "contains", wish.coupon)
        ),
        # One purchase in twenty shows a coupon.
        expected=lambda wish, usual: _net_of_category(wish, usual) / 20,
        length_days=14,
        starting={"per_unit": 3},
    ),
)
BY_CODE: Final = {each.code: each for each in TEMPLATES}
