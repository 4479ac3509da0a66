"""What a rule does: the effects, each a small calculation that explains itself.

``earn_rate`` gives floor(matching net x points / per), rounded once per rule and purchase;
``earn_fixed`` gives a number of points; ``multiply_base`` gives floor(base x (factor - 1)) on
top of the base, which is what the rates of rules outside campaigns gave in that currency.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Any, Final, NamedTuple

from loyalty_site.lib import money
from members.lots import split_by_largest_remainder

from .sentences import points as point_words

# Nets are counted in ten-thousandths, the smallest minor unit of any currency.
SCALE_DIGITS: Final = 4
SCALE: Final = 10**SCALE_DIGITS
_UNITS: Final = (10_000, 1_000, 100, 10, 1)


class Basket(NamedTuple):
    """The lines of one purchase as whole numbers; an event has none.

    ``nets`` are in ten-thousandths of the currency, ``digits`` its minor digits;
    ``points_paid`` is what points have paid of it.
    """

    nets: tuple[int, ...]
    digits: int
    points_paid: int = 0

    @property
    def nets_of_points(self) -> tuple[int, ...]:
        """Return the nets without what points have paid, of each line its share of it."""
        paid = min(self.points_paid, sum(self.nets))
        if not paid:
            return self.nets
        shares = split_by_largest_remainder(paid, self.nets)
        return tuple(net - share for net, share in zip(self.nets, shares, strict=True))

    def wire(self, amount: int) -> str:
        """Return an amount in ten-thousandths as the API writes it."""
        unit = _UNITS[self.digits]
        if not self.digits:
            return str(amount // unit)
        whole, part = divmod(amount // unit, SCALE // unit)
        return f"{whole}.{part:0{self.digits}d}"


class Request(NamedTuple):
    """Points that an effect asks for, before limits.

    ``weights`` has one figure for each of the rule's lines; ``empty`` is the reason when no
    point is asked for, with what was ``missing`` where that is an amount of money.
    """

    points: int
    weights: Sequence[int | Fraction]
    text: str
    trace: Mapping[str, Any]
    empty: str = ""
    missing: str | None = None


class Base:
    """What the rates of rules outside campaigns gave in one currency, before limits."""

    __slots__ = ("_parts", "points")

    def __init__(self) -> None:
        self.points = 0
        self._parts: list[tuple[EarnRate, Sequence[int], int]] = []

    def add(self, effect: EarnRate, selected: Sequence[int], given: int) -> None:
        """Count the points that one rate gave over the selected lines."""
        self.points += given
        self._parts.append((effect, selected, given))

    def weights(self, basket: Basket) -> list[int | Fraction]:
        """Return what each line contributed, exactly, in proportion.

        The rates are brought to whole numbers first: fractions cost ten times as much, and only
        the proportion counts.
        """
        weights: list[int | Fraction] = [0] * len(basket.nets)
        alike = len({(part.numerator, part.denominator) for part, _, _ in self._parts}) <= 1
        scale = lcm(*(part.denominator for part, _, _ in self._parts))
        for effect, selected, _ in self._parts:
            rate = 1 if alike else effect.numerator * (scale // effect.denominator)
            nets = effect.nets_of(basket)
            for index in selected:
                weights[index] += nets[index] * rate
        return weights

    def points_by_line(self, basket: Basket) -> list[int]:
        """Return the base points that belong to each line."""
        points = [0] * len(basket.nets)
        for effect, selected, given in self._parts:
            nets = effect.nets_of(basket)
            shares = split_by_largest_remainder(given, [nets[i] for i in selected])
            for index, share in zip(selected, shares, strict=True):
                points[index] += share
        return points

    def points_on(self, basket: Basket, wanted: Sequence[int]) -> int:
        """Return the base points that belong to the wanted lines."""
        if len(wanted) == len(basket.nets):
            return self.points
        chosen = set(wanted)
        total = 0
        for effect, selected, given in self._parts:
            nets = effect.nets_of(basket)
            shares = split_by_largest_remainder(given, [nets[i] for i in selected])
            total += sum(share for i, share in zip(selected, shares, strict=True) if i in chosen)
        return total


@dataclass(frozen=True, slots=True)
class EarnRate:
    """``points`` for every ``per`` of money on the rule's lines, rounded down once."""

    currency: str
    points: int
    per: str
    numerator: int
    denominator: int
    text: str
    basis: str = "net"

    def nets_of(self, basket: Basket) -> tuple[int, ...]:
        """Return what of each line counts: all of it, or what points have not paid."""
        return basket.nets if self.basis == "net" else basket.nets_of_points

    def request(self, basket: Basket, selected: Sequence[int], _base: Base | None) -> Request:
        """Return the points on what was paid for the selected lines."""
        nets = self.nets_of(basket)
        weights = nets if len(selected) == len(nets) else [nets[index] for index in selected]
        net = sum(weights)
        wire = basket.wire(net)
        given = net * self.numerator // self.denominator
        return Request(
            given,
            weights,
            f"{self.text}{wire}{self._not_paid}, rounded down",
            {"kind": "earn_rate", "points": self.points, "per": self.per, "net": wire},
            "" if given else "below_one_point",
            None if given else basket.wire(self._to_first_point(net, basket.digits)),
        )

    @property
    def _not_paid(self) -> str:
        return "" if self.basis == "net" else " not paid with points"

    def _to_first_point(self, net: int, digits: int) -> int:
        unit = _UNITS[digits]
        needed = -(-self.denominator // self.numerator)
        return -(-needed // unit) * unit - net


@dataclass(frozen=True, slots=True)
class EarnFixed:
    """A fixed number of points."""

    currency: str
    points: int
    text: str

    def request(self, basket: Basket, selected: Sequence[int], _base: Base | None) -> Request:
        """Return the fixed points, which weigh on the selected lines by net."""
        weights = [basket.nets[index] for index in selected]
        return Request(
            self.points, weights, self.text, {"kind": "earn_fixed", "points": self.points}
        )


@dataclass(frozen=True, slots=True)
class MultiplyBase:
    """The base once more, ``factor`` less one times."""

    currency: str
    factor: str
    extra: Decimal

    def request(self, basket: Basket, selected: Sequence[int], base: Base | None) -> Request:
        """Return what the factor adds to the base of the selected lines."""
        on = base.points_on(basket, selected) if base else 0
        given = money.floor_share(on, self.extra)
        all_weights = base.weights(basket) if base and given else [0] * len(basket.nets)
        return Request(
            given,
            [all_weights[index] for index in selected],
            f"Base of {point_words(on)} times {self.factor}: {given} more, rounded down",
            {"kind": "multiply_base", "factor": self.factor, "base": on},
            "" if given else "no_base",
        )


def product_text(effect: MultiplyBase, base: int, before: int, given: int) -> str:
    """Return the sentence of a multiplier that acts on what those before it came to."""
    raised = "" if before == base else f", {before} by those before it,"
    return f"Base of {point_words(base)}{raised} times {effect.factor}: {given} more, rounded down"


Effect = EarnRate | EarnFixed | MultiplyBase


def _earn_rate(body: Mapping[str, Any]) -> Effect:
    rate = money.exact_rate(body["points"], Decimal(body["per"])) / SCALE
    return EarnRate(
        currency=body["currency"],
        points=body["points"],
        per=body["per"],
        numerator=rate.numerator,
        denominator=rate.denominator,
        text=f"{point_words(body['points'])} per {body['per']} on ",
        basis=body.get("basis") or "net",
    )


def _earn_fixed(body: Mapping[str, Any]) -> Effect:
    return EarnFixed(body["currency"], body["points"], point_words(body["points"]))


def _multiply_base(body: Mapping[str, Any]) -> Effect:
    return MultiplyBase(body["currency"], body["factor"], Decimal(body["factor"]) - 1)


COMPILERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Effect]]] = {
    "earn_rate": _earn_rate,
    "earn_fixed": _earn_fixed,
    "multiply_base": _multiply_base,
}

# What a rate counts: what was paid, or what was paid otherwise than by points.
BASES: Final = ("net", "net_of_points")

# An event has no net amount and no base: only points of their own can come of it.
EVENT_EFFECTS: Final = frozenset({"earn_fixed"})


def compile_effect(body: Mapping[str, Any]) -> Effect:
    """Return the effect of a validated ``{kind, currency, ...}``."""
    return COMPILERS[body["kind"]](body)
