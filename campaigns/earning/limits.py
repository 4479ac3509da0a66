"""Limits, caps and budgets: what is left of them, and what each award uses up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .results import Counters, LimitKey, LimitUse, Used
from .rules import Cap, CompiledRule, Fact, Keys

_UNUSED = Used()


class Grant(NamedTuple):
    """What the limits let through of one request; ``sentence`` names the one that cut it."""

    points: int
    capped_by: str | None
    sentence: str
    uses: tuple[LimitUse, ...]


class _Counted(NamedTuple):
    """One counter that bounds an award, and what it still allows; None is no bound now."""

    key: LimitKey
    counts_uses: bool
    room: int | None
    name: str
    sentence: str


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
            LimitUse(each.key, 0, 1) if each.counts_uses else LimitUse(each.key, granted, 0)
            for each in counted
        )
        for use in uses:
            self._add(use)
        self._used_rules.add(rule.code)
        return Grant(granted, capped_by, sentence, uses)

    def use(self, rule: CompiledRule) -> Grant:
        """Return whether the rule may give something beside points: one use of it, or none."""
        counted = [each for each in self._counted(rule, "") if each.counts_uses]
        spent = next((each for each in counted if each.room is not None), None)
        if spent is not None:
            return Grant(0, spent.name, spent.sentence, ())
        uses = tuple(LimitUse(each.key, 0, 1) for each in counted)
        for use in uses:
            self._add(use)
        self._used_rules.add(rule.code)
        return Grant(1, None, "", uses)

    def _counted(self, rule: CompiledRule, currency: str) -> Iterator[_Counted]:
        for limit in rule.limits:
            # A second effect of the rule belongs to the use that its first one has counted.
            if limit.uses is not None and rule.code not in self._used_rules:
                key = self._keys.uses(rule, limit)
                room = 0 if self._used(key).uses >= limit.uses else None
                yield _Counted(key, True, room, limit.name, limit.sentence)
            if limit.points is not None:
                key = self._keys.points(rule, limit, currency)
                room = limit.points - self._used(key).points
                yield _Counted(key, False, room, limit.name, limit.sentence)
        for cap in self._caps:
            capped = self._keys.cap(cap) if cap.currency == currency else None
            if capped is not None:
                room = cap.points - self._used(capped).points
                yield _Counted(capped, False, room, cap.name, cap.sentence)
        campaign = rule.campaign
        if campaign is not None and campaign.budget_points is not None:
            key = self._keys.budget(campaign, currency)
            room = campaign.budget_points - self._used(key).points
            yield _Counted(key, False, room, "budget", "the campaign's budget is used up")

    def _used(self, key: LimitKey) -> Used:
        before = self._counters.get(key, _UNUSED)
        added = self._added.get(key)
        if added is None:
            return before
        return Used(before.points + added.points, before.uses + added.uses)

    def _add(self, use: LimitUse) -> None:
        added = self._added.get(use.key, _UNUSED)
        self._added[use.key] = Used(added.points + use.points, added.uses + use.uses)
