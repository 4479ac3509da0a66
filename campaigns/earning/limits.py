"""Limits and budgets: what is left of them, and what each award uses up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from . import rules
from .results import Counters, LimitKey, LimitUse, Used
from .rules import CompiledRule, Fact, Limit

_UNUSED = Used()


class Grant(NamedTuple):
    """What the limits let through of one request; ``sentence`` names the one that cut it."""

    points: int
    capped_by: str | None
    sentence: str
    uses: tuple[LimitUse, ...]


class _Cap(NamedTuple):
    """What one limit or budget still allows."""

    name: str
    sentence: str
    room: int


class Allowance:
    """The counters during one evaluation: every grant lowers what the next one finds."""

    def __init__(self, counters: Counters, fact: Fact, member_id: str) -> None:
        self._counters = counters
        self._fact = fact
        self._member_id = member_id
        self._added: dict[LimitKey, Used] = {}
        self._used_rules: set[str] = set()

    def grant(self, rule: CompiledRule, currency: str, requested: int) -> Grant:
        """Return what is granted, the limits taken one after the other, the budget last."""
        if not rule.limits and (rule.campaign is None or rule.campaign.budget_points is None):
            return Grant(requested, None, "", ())
        granted, capped_by, sentence = requested, None, ""
        for cap in self._caps(rule, currency):
            if cap.room < granted:
                granted, capped_by, sentence = max(cap.room, 0), cap.name, cap.sentence
        uses = tuple(self._uses(rule, currency, granted)) if granted else ()
        for use in uses:
            self._add(use)
        if granted:
            self._used_rules.add(rule.code)
        return Grant(granted, capped_by, sentence, uses)

    def _caps(self, rule: CompiledRule, currency: str) -> Iterator[_Cap]:
        for limit in rule.limits:
            room = self._room(rule, limit, currency)
            if room is not None:
                yield _Cap(limit.name, limit.sentence, room)
        campaign = rule.campaign
        if campaign is not None and campaign.budget_points is not None:
            used = self._used(rules.budget_key(campaign, currency))
            room = campaign.budget_points - used.points
            yield _Cap("budget", "the campaign's budget is used up", room)

    def _room(self, rule: CompiledRule, limit: Limit, currency: str) -> int | None:
        # A second effect of the rule belongs to the use that its first one has counted.
        if limit.uses is not None and rule.code not in self._used_rules:
            used = self._used(rules.uses_key(rule, limit, self._fact, self._member_id))
            if used.uses >= limit.uses:
                return 0
        if limit.points is None:
            return None
        key = rules.points_key(rule, limit, self._fact, self._member_id, currency)
        return limit.points - self._used(key).points

    def _uses(self, rule: CompiledRule, currency: str, granted: int) -> Iterator[LimitUse]:
        for limit in rule.limits:
            if limit.uses is not None and rule.code not in self._used_rules:
                yield LimitUse(rules.uses_key(rule, limit, self._fact, self._member_id), 0, 1)
            if limit.points is not None:
                key = rules.points_key(rule, limit, self._fact, self._member_id, currency)
                yield LimitUse(key, granted, 0)
        if rule.campaign is not None and rule.campaign.budget_points is not None:
            yield LimitUse(rules.budget_key(rule.campaign, currency), granted, 0)

    def _used(self, key: LimitKey) -> Used:
        before = self._counters.get(key, _UNUSED)
        added = self._added.get(key)
        if added is None:
            return before
        return Used(before.points + added.points, before.uses + added.uses)

    def _add(self, use: LimitUse) -> None:
        added = self._added.get(use.key, _UNUSED)
        self._added[use.key] = Used(added.points + use.points, added.uses + use.uses)
