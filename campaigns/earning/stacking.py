"""Which of the rules that hold apply together, decided before any limit.

Rules take their turn by priority, then in the order of the program: a group at the place of its
first rule. What was accepted before stops what does not go with it; a rule that lost stops
nobody, and that two rules do not go together says nothing of a third.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from typing import Any, Final, NamedTuple

from .effects import Base, Basket, MultiplyBase, Request, product_text
from .rules import CompiledRule

MULTIPLIERS: Final = ("sum", "max", "product")
MODES: Final = ("all", "first", "best_for_member", "lowest_cost")
_NONE: Final[frozenset[str]] = frozenset()


class Asked(NamedTuple):
    """One effect of one rule whose conditions hold, with what it asks for."""

    rule: CompiledRule
    effect: int
    selected: Sequence[int]
    request: Request

    @property
    def currency(self) -> str:
        """Return the point currency that is asked for."""
        return self.rule.effects[self.effect].currency

    @property
    def is_multiplier(self) -> bool:
        """Return whether the effect multiplies the base."""
        return isinstance(self.rule.effects[self.effect], MultiplyBase)


class Lost(NamedTuple):
    """A rule that does not apply because of another."""

    rule: CompiledRule
    winner: CompiledRule


@dataclass(frozen=True, slots=True)
class Stacking:
    """How the rules of one publication go together.

    ``modes`` are the groups', ``apart`` the codes that a rule does not go with, ``values`` the
    money that a point of each currency stands for, where that is known.
    """

    multipliers: str = "sum"
    modes: Mapping[str, str] = field(default_factory=dict)
    apart: Mapping[str, frozenset[str]] = field(default_factory=dict)
    values: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def chooses(self) -> bool:
        """Return whether any rule can stop another."""
        return bool(self.modes or self.apart)


EVERYTHING: Final = Stacking()


def compile_stacking(
    body: Mapping[str, Any] | None, values: Mapping[str, Decimal | None]
) -> Stacking:
    """Return the stacking of a validated ``{multipliers, groups, exclusive, not_together}``."""
    if not body:
        return EVERYTHING
    apart: dict[str, set[str]] = {}
    for codes in (*body.get("exclusive", ()), *body.get("not_together", ())):
        for one, other in combinations(codes, 2):
            apart.setdefault(one, set()).add(other)
            apart.setdefault(other, set()).add(one)
    return Stacking(
        multipliers=body.get("multipliers", "sum"),
        modes={each["code"]: each["mode"] for each in body.get("groups", ())},
        apart={code: frozenset(others) for code, others in apart.items()},
        values={code: value for code, value in values.items() if value is not None},
    )


def choose(held: Iterable[CompiledRule], asked: Iterable[Asked], stacking: Stacking) -> list[Lost]:
    """Return which of the rules that hold do not apply, and because of whom.

    A rule that would give nothing stops nobody. ``held`` are in order.
    """
    concerned = {rule.code: rule for rule in held if _is_concerned(rule, stacking)}
    by_rule: dict[str, list[Asked]] = {}
    for each in asked:
        if each.request.points and each.rule.code in concerned:
            by_rule.setdefault(each.rule.code, []).append(each)
    giving = [rule for code, rule in concerned.items() if rule.grants or code in by_rule]
    accepted: dict[str, CompiledRule] = {}
    lost: list[Lost] = []
    for turn in _turns(giving, by_rule, stacking):
        winner: CompiledRule | None = None
        for rule in turn:
            stopped_by = winner or _stopper(rule, accepted, stacking)
            if stopped_by is None:
                accepted[rule.code] = winner = rule
            else:
                lost.append(Lost(rule, stopped_by))
    return lost


def _is_concerned(rule: CompiledRule, stacking: Stacking) -> bool:
    return rule.code in stacking.apart or _mode(rule, stacking) != "all"


def _turns(
    giving: Iterable[CompiledRule], by_rule: Mapping[str, Sequence[Asked]], stacking: Stacking
) -> Iterator[list[CompiledRule]]:
    """Yield the rules of which one can be accepted, the preferred first."""
    groups: dict[str, list[CompiledRule]] = {}
    for rule in giving:
        if _mode(rule, stacking) == "all":
            # Under a name that no group can have: each takes its turn alone.
            groups[f"rule {rule.code}"] = [rule]
        else:
            groups.setdefault(rule.group or "", []).append(rule)
    for members in groups.values():
        mode = _mode(members[0], stacking)
        if mode == "best_for_member":
            members.sort(
                key=lambda rule: _worth(by_rule.get(rule.code, ()), stacking), reverse=True
            )
        elif mode == "lowest_cost":
            members.sort(key=lambda rule: _worth(by_rule.get(rule.code, ()), stacking))
        yield members


def _mode(rule: CompiledRule, stacking: Stacking) -> str:
    return stacking.modes.get(rule.group, "all") if rule.group else "all"


def _worth(effects: Iterable[Asked], stacking: Stacking) -> tuple[Decimal, int]:
    """Return what a rule costs in money where that is known, then in points."""
    money, points = Decimal(0), 0
    for each in effects:
        money += each.request.points * stacking.values.get(each.currency, Decimal(0))
        points += each.request.points
    return money, points


def _stopper(
    rule: CompiledRule, accepted: Mapping[str, CompiledRule], stacking: Stacking
) -> CompiledRule | None:
    apart = stacking.apart.get(rule.code, _NONE)
    return next((other for code, other in accepted.items() if code in apart), None)


def largest_multiplier(asked: Sequence[Asked]) -> tuple[list[Asked], list[tuple[Asked, Asked]]]:
    """Return what is left with the multiplier that adds most in each currency, and who lost.

    Of equal ones the first counts.
    """
    best: dict[str, Asked] = {}
    for each in asked:
        if each.is_multiplier:
            held = best.get(each.currency)
            if held is None or each.request.points > held.request.points:
                best[each.currency] = each
    kept, lost = [], []
    for each in asked:
        if each.is_multiplier and best[each.currency] is not each:
            lost.append((each, best[each.currency]))
        else:
            kept.append(each)
    return kept, lost


def multiplied(asked: Sequence[Asked], bases: Mapping[str, Base], basket: Basket) -> list[Asked]:
    """Return the same with each multiplier acting on what those before it came to."""
    products: dict[str, _Product] = {}
    result = []
    for each in asked:
        effect, base = each.rule.effects[each.effect], bases.get(each.currency)
        if isinstance(effect, MultiplyBase) and base is not None:
            product = products.setdefault(each.currency, _Product(base, basket))
            result.append(each._replace(request=product.request(effect, each.selected)))
        else:
            result.append(each)
    return result


class _Product:
    """The base of one currency line by line, as multipliers raise it, exactly."""

    def __init__(self, base: Base, basket: Basket) -> None:
        self._base = base.points_by_line(basket)
        self._exact = [Fraction(points) for points in self._base]
        self._total = sum(self._base)

    def request(self, effect: MultiplyBase, selected: Sequence[int]) -> Request:
        """Return what the multiplier adds: all that is raised so far is rounded down once."""
        on = sum(self._base[index] for index in selected)
        before = int(sum(self._exact[index] for index in selected))
        weights: list[int | Fraction] = []
        for index in selected:
            weights.append(self._exact[index] * Fraction(effect.extra))
            self._exact[index] += weights[-1]
        total = int(sum(self._exact))
        given, self._total = total - self._total, total
        return Request(
            given,
            weights,
            product_text(effect, on, before, given),
            {"kind": "multiply_base", "factor": effect.factor, "base": on, "on": before},
            "" if given else "no_base",
        )
