"""A rule version, compiled once from its validated JSON and evaluated many times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final, NamedTuple

from loyalty_site.lib import calendars

from . import sentences, triggers
from .attributes import nfc
from .conditions import Minimum, Test, compile_tree, coupons_named, minimum_net
from .effects import SCALE_DIGITS, Effect, compile_effect
from .facts import EventFacts, PurchaseFacts
from .grants import GrantEffect, compile_grant, is_grant
from .results import MONEY, LimitKey, Pending, pending_of
from .schedules import Schedule, compile_schedule

Fact = PurchaseFacts | EventFacts
# What a counter's row holds of a subject.
_SUBJECT_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many points, uses, or money's worth, per subject and program-local period.

    ``money`` is in ten-thousandths of the program's currency.
    """

    per: str
    period: str
    points: int | None
    uses: int | None
    sentence: str
    money: int | None = None

    @property
    def name(self) -> str:
        """Return the name that an award which it cut carries: ``member_day``."""
        return f"{self.per}_{self.period}"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many points of one currency from all rules together, per subject and period."""

    per: str
    period: str
    currency: str
    points: int
    sentence: str

    @property
    def name(self) -> str:
        """Return the name that an award which it cut carries: ``cap_member_day``."""
        return f"cap_{self.per}_{self.period}"


@dataclass(frozen=True, slots=True)
class Campaign:
    """The campaign around a promotion; ``starts_at`` inclusive, ``ends_at`` exclusive.

    With a ``schedule`` its rules hold in the hours of that alone. Budgets are of points by
    currency, of the money that they stand for, in ten-thousandths, and of facts.
    """

    code: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    budget_points: int | None = None
    schedule: Schedule | None = None
    budget_money: int | None = None
    budget_uses: int | None = None

    @property
    def has_budget(self) -> bool:
        """Return whether anything bounds what its rules give together."""
        budgets = (self.budget_points, self.budget_money, self.budget_uses)
        return any(budget is not None for budget in budgets)

    def is_on(self, at: datetime) -> bool:
        """Return whether the moment lies in the window, whatever the schedule says."""
        return (self.starts_at is None or self.starts_at <= at) and (
            self.ends_at is None or at < self.ends_at
        )


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule ready to be asked; without a campaign it is a standing one."""

    code: str
    version: int
    name: str
    campaign: Campaign | None
    trigger: str
    priority: int
    when: Test | None
    when_text: str
    lines: Test | None
    lines_text: str
    effects: tuple[Effect, ...]
    limits: tuple[Limit, ...]
    minimum: Minimum | None
    coupons: frozenset[str]
    pending: Pending | None = None
    grants: tuple[GrantEffect, ...] = ()
    group: str | None = None
    calls: Schedule | None = None
    worth: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        """Return whether counters bound what the rule gives."""
        return bool(self.limits) or (self.campaign is not None and self.campaign.has_budget)

    def is_live(self, fact: Fact) -> bool:
        """Return whether the rule answers to this kind of fact, at its moment."""
        return self.answers(fact) and self.is_now(fact)

    def answers(self, fact: Fact) -> bool:
        """Return whether the rule is one for this kind of fact, within its campaign's window."""
        if self.trigger != trigger_of(fact):
            return False
        return self.campaign is None or self.campaign.is_on(fact.occurred_at)

    def is_now(self, fact: Fact) -> bool:
        """Return whether the moment lies in the hours of the campaign's schedule, if it has one."""
        campaign = self.campaign
        if campaign is None or campaign.schedule is None:
            return True
        return campaign.schedule.holds(fact.local)


def trigger_of(fact: Fact) -> str:
    """Return the trigger that a rule for this fact names."""
    if isinstance(fact, PurchaseFacts):
        return triggers.PURCHASE
    return fact.type if fact.is_occasion else f"{triggers.EVENT}{fact.type}"


def compile_definition(definition: Mapping[str, Any], version: int) -> CompiledRule:
    """Return the rule of a stored definition: its body, and under ``campaign`` what is around it.

    ``campaign`` is None or ``{code, starts_at, ends_at, budget_points}`` and what else it says,
    with instants in ISO form.
    """
    around = definition.get("campaign")
    campaign = None
    if around is not None:
        schedule = around.get("schedule")
        campaign = Campaign(
            around["code"],
            _instant(around.get("starts_at")),
            _instant(around.get("ends_at")),
            around.get("budget_points"),
            compile_schedule(schedule) if schedule else None,
            _ten_thousandths(around.get("budget_money")),
            around.get("budget_uses"),
        )
    return compile_rule(definition, version=version, campaign=campaign)


def _ten_thousandths(amount: str | None) -> int | None:
    return None if amount is None else int(Decimal(amount).scaleb(SCALE_DIGITS))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def compile_rule(
    body: Mapping[str, Any], *, version: int, campaign: Campaign | None = None
) -> CompiledRule:
    """Return the rule of a validated body: code, name, trigger, when, lines, effects, limits.

    The body is that of a program file in canonical form and of a stored rule version.
    """
    when, lines = body.get("when"), body.get("lines")
    return CompiledRule(
        code=body["code"],
        version=version,
        name=_name(body),
        campaign=campaign,
        trigger=_trigger(body),
        priority=body.get("priority", 0),
        when=compile_tree(when) if when else None,
        when_text=sentences.trace_sentence(when) if when else "",
        lines=compile_tree(lines) if lines else None,
        lines_text=sentences.trace_sentence(lines) if lines else "",
        effects=tuple(compile_effect(each) for each in body["effects"] if not is_grant(each)),
        limits=tuple(map(_limit, body.get("limits") or ())),
        minimum=minimum_net(when) if when else None,
        coupons=coupons_named(when) if when else frozenset(),
        pending=pending_of(body.get("pending")),
        calls=compile_schedule(body["schedule"]) if body.get("schedule") else None,
        grants=tuple(
            compile_grant(place, each)
            for place, each in enumerate(body["effects"])
            if is_grant(each)
        ),
        group=body.get("group"),
        worth={code: _ten_thousandths(value) or 0 for code, value in body.get("worth", {}).items()},
    )


def _name(body: Mapping[str, Any]) -> str:
    """Return the name in the program's own language, which stands first, else the code."""
    name = body.get("name") or body["code"]
    return str(next(iter(name.values()))) if isinstance(name, Mapping) else str(name)


def _trigger(body: Mapping[str, Any]) -> str:
    """Return what the rule answers to; the calendar of one rule calls no other."""
    trigger: str = body["trigger"]
    return triggers.scheduled(body["code"]) if trigger == triggers.SCHEDULE else trigger


def _limit(body: Mapping[str, Any]) -> Limit:
    return Limit(
        per=body["per"],
        period=body["period"],
        points=body.get("points"),
        uses=body.get("uses"),
        sentence=sentences.limit_sentence(body),
        money=_ten_thousandths(body.get("money")),
    )


def compile_caps(bodies: Iterable[Mapping[str, Any]]) -> tuple[Cap, ...]:
    """Return the caps of a validated ``[{per, period, currency, points}]``."""
    return tuple(
        Cap(
            body["per"],
            body["period"],
            body["currency"],
            body["points"],
            sentences.cap_sentence(body),
        )
        for body in bodies
    )


def in_order(rules: Iterable[CompiledRule]) -> list[CompiledRule]:
    """Return the rules by priority, lowest first; equal ones keep the order in which they came."""
    return sorted(rules, key=_priority)


def _priority(rule: CompiledRule) -> int:
    return rule.priority


class Keys:
    """Names the counters of one fact of one member; each period is looked up once."""

    def __init__(self, fact: Fact, member_id: str) -> None:
        self._day = fact.local.date()
        self._starts: dict[str, str] = {}
        self._subjects = {"member": member_id, "program": ""}
        self._coupons: tuple[str, ...] = ()
        if not isinstance(fact, EventFacts):
            store = fact.store or ""
            self._coupons = tuple(map(nfc, fact.coupons))
            self._subjects |= {
                "store": store,
                "device": fact.device or "",
                "member_store": _short(f"{member_id}/{store}"),
            }

    def points(self, rule: CompiledRule, limit: Limit, currency: str) -> LimitKey:
        """Return the counter of the points that a limit allows in one currency."""
        return self._key(rule, limit, currency)

    def uses(self, rule: CompiledRule, limit: Limit) -> LimitKey:
        """Return the counter of the times that a limit allows its rule."""
        return self._key(rule, limit, "")

    def money(self, rule: CompiledRule, limit: Limit) -> LimitKey:
        """Return the counter of the money that a limit allows its rule to be worth."""
        return self._key(rule, limit, MONEY)

    def budget(self, campaign: Campaign, currency: str) -> LimitKey:
        """Return the counter of a campaign's budget in one currency, of money or of uses."""
        return LimitKey("campaign", campaign.code, "program", "", "lifetime", "", currency)

    def cap(self, cap: Cap) -> LimitKey | None:
        """Return the counter of a cap; None where the fact names no such subject."""
        subject = self._subjects.get(cap.per, "")
        if not subject:
            return None
        start = self._start(cap.period)
        return LimitKey("program", "caps", cap.per, subject, cap.period, start, cap.currency)

    def _key(self, rule: CompiledRule, limit: Limit, currency: str) -> LimitKey:
        if limit.per == "code":
            # The coupon for which the rule holds; of several the first on the purchase.
            subject = _short(next((each for each in self._coupons if each in rule.coupons), ""))
        else:
            subject = self._subjects.get(limit.per, "")
        start = self._start(limit.period)
        return LimitKey("rule", rule.code, limit.per, subject, limit.period, start, currency)

    def _start(self, period: str) -> str:
        start = self._starts.get(period)
        if start is None:
            first = calendars.period_start(period, self._day)
            start = self._starts[period] = first.isoformat() if first else ""
        return start


def _short(subject: str) -> str:
    """Return a subject that a counter's row can hold; a longer one is named by its hash."""
    if len(subject) <= _SUBJECT_MAX:
        return subject
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()


def limit_keys(
    rules: Iterable[CompiledRule], fact: Fact, member_id: str, caps: Iterable[Cap] = ()
) -> list[LimitKey]:
    """Return every counter that evaluating this fact may read or add to, each once.

    Campaign-wide counters come last, as the lock order has them.
    """
    keys = Keys(fact, member_id)
    own: set[LimitKey] = set()
    budgets: set[LimitKey] = set()
    for rule in rules:
        if not rule.is_limited or not rule.is_live(fact):
            continue
        for limit in rule.limits:
            if limit.uses is not None:
                own.add(keys.uses(rule, limit))
            if limit.money is not None:
                own.add(keys.money(rule, limit))
            if limit.points is not None:
                own.update(keys.points(rule, limit, effect.currency) for effect in rule.effects)
        if rule.campaign is not None:
            budgets.update(_budget_keys(rule, rule.campaign, keys))
    capped = {key for cap in caps if (key := keys.cap(cap)) is not None}
    return [*sorted(own), *sorted(capped), *sorted(budgets)]


def _budget_keys(rule: CompiledRule, campaign: Campaign, keys: Keys) -> Iterator[LimitKey]:
    if campaign.budget_points is not None:
        for effect in rule.effects:
            yield keys.budget(campaign, effect.currency)
    if campaign.budget_money is not None:
        yield keys.budget(campaign, MONEY)
    if campaign.budget_uses is not None:
        yield keys.budget(campaign, "")


class Bound(NamedTuple):
    """What a counter may reach; None is no bound."""

    points: int | None = None
    uses: int | None = None


def budget_of(campaign: Campaign, key: LimitKey) -> Bound:
    """Return what the counter of a campaign's budget may reach."""
    if key.currency == MONEY:
        return Bound(campaign.budget_money)
    if not key.currency:
        return Bound(None, campaign.budget_uses)
    return Bound(campaign.budget_points)


def limit_of(rule: CompiledRule, key: LimitKey) -> Bound:
    """Return what the counter of a rule's limit may reach."""
    for limit in rule.limits:
        if (limit.per, limit.period) == (key.per, key.period):
            return Bound(limit.money if key.currency == MONEY else limit.points, limit.uses)
    return Bound()
