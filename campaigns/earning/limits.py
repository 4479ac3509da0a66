"""Limits, caps and budgets: what is left of them, and what each award uses up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .results import MONEY, Counters, LimitKey, LimitUse, Used
from .rules import Campaign, Cap, CompiledRule, Fact, Keys

_UNUSED = Used()


class Grant(NamedTuple):
    """What the limits let through of one request; ``sentence`` names the one that cut it."""

    points: int
    capped_by: str | None
    sentence: str
    uses: tuple[LimitUse, ...]


class _Counted(NamedTuple):
    """One counter that bounds an award, and what it still allows; None is no bound now.

    Each point adds ``unit`` to it: 1 where points are counted, their worth where money is.
    """

    key: LimitKey
    counts_uses: bool
    room: int | None
    name: str
    sentence: str
    unit: int = 1


class Allowance:
    """The counters during one evaluation: every grant lowers what the next one finds."""

    def __init__(
        self, counters: Counters, fact: Fact, member_id: str, caps: Sequence[Cap] = ()
    ) -> None:
        self._counters = counters
        self._caps = caps
        self._keys = Keys(fact, member_id)
        self._added: dict[LimitKey, Used] = {}
        self._used_rules: set[str] = set()
        self._used_campaigns: set[str] = set()

    def grant(self, rule: CompiledRule, currency: str, requested: int) -> Grant:
        """Return what is granted: the rule's limits, the program's caps, the budget last."""
        counted = list(self._counted(rule, currency))
        if not counted:
            return Grant(requested, None, "", ())
        granted, capped_by, sentence = requested, None, ""
        for each in counted:
            if each.room is not None and each.room < granted:
                granted, capped_by, sentence = max(each.room, 0), each.name, each.sentence
        if not granted:
            return Grant(0, capped_by, sentence, ())
        uses = tuple(
            LimitUse(each.key, 0, 1)
            if each.counts_uses
            else LimitUse(each.key, granted * each.unit, 0)
            for each in counted
        )
        self._count(rule, uses)
        return Grant(granted, capped_by, sentence, uses)

    def use(self, rule: CompiledRule) -> Grant:
        """Return whether the rule may give something beside points: one use of it, or none."""
        counted = [each for each in self._counted(rule, "") if each.counts_uses]
        spent = next((each for each in counted if each.room is not None), None)
        if spent is not None:
            return Grant(0, spent.name, spent.sentence, ())
        uses = tuple(LimitUse(each.key, 0, 1) for each in counted)
        self._count(rule, uses)
        return Grant(1, None, "", uses)

    def _count(self, rule: CompiledRule, uses: Iterable[LimitUse]) -> None:
        for use in uses:
            self._add(use)
        self._used_rules.add(rule.code)
        if rule.campaign is not None:
            self._used_campaigns.add(rule.campaign.code)

    def _counted(self, rule: CompiledRule, currency: str) -> Iterator[_Counted]:
        unit = rule.worth.get(currency, 0)
        for limit in rule.limits:
            # A second effect of the rule belongs to the use that its first one has counted.
            if limit.uses is not None and rule.code not in self._used_rules:
                key = self._keys.uses(rule, limit)
                yield self._of_uses(key, limit.uses, limit.name, limit.sentence)
            if limit.points is not None:
                key = self._keys.points(rule, limit, currency)
                yield self._of_points(key, limit.points, limit.name, limit.sentence)
            if limit.money is not None and unit:
                key = self._keys.money(rule, limit)
                yield self._of_points(key, limit.money, limit.name, limit.sentence, unit)
        for cap in self._caps:
            capped = self._keys.cap(cap) if cap.currency == currency else None
            if capped is not None:
                yield self._of_points(capped, cap.points, cap.name, cap.sentence)
        if rule.campaign is not None:
            yield from self._budgets(rule.campaign, currency, unit)

    def _budgets(self, campaign: Campaign, currency: str, unit: int) -> Iterator[_Counted]:
        said = ("budget", "the campaign's budget is used up")
        # One use is one fact, whatever of the campaign's rules give for it.
        if campaign.budget_uses is not None and campaign.code not in self._used_campaigns:
            yield self._of_uses(self._keys.budget(campaign, ""), campaign.budget_uses, *said)
        if campaign.budget_points is not None:
            key = self._keys.budget(campaign, currency)
            yield self._of_points(key, campaign.budget_points, *said)
        if campaign.budget_money is not None and unit:
            key = self._keys.budget(campaign, MONEY)
            yield self._of_points(key, campaign.budget_money, *said, unit)

    def _of_uses(self, key: LimitKey, most: int, name: str, sentence: str) -> _Counted:
        return _Counted(key, True, 0 if self._used(key).uses >= most else None, name, sentence)

    def _of_points(
        self, key: LimitKey, most: int, name: str, sentence: str, unit: int = 1
    ) -> _Counted:
        room = (most - self._used(key).points) // unit
        return _Counted(key, False, room, name, sentence, unit)

    def _used(self, key: LimitKey) -> Used:
        before = self._counters.get(key, _UNUSED)
        added = self._added.get(key)
        if added is None:
            return before
        return Used(before.points + added.points, before.uses + added.uses)

    def _add(self, use: LimitUse) -> None:
        added = self._added.get(use.key, _UNUSED)
        self._added[use.key] = Used(added.points + use.points, added.uses + use.uses)
