"""Checks across sections: codes are unique, and what is named exists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.earning import grants, triggers
from campaigns.earning.attributes import ANSWER
from campaigns.earning.conditions import coupons_named
from campaigns.earning.conditions_sql import is_in_sql
from campaigns.earning.segments import NamedInCircle, in_order
from members.segmentation import GROUPS, STAGES

from . import stacking_section
from .document import CaseSection, ProgramDocument
from .reader import Problems
from .rule_document import RuleSection


@dataclass(frozen=True, slots=True)
class _Names:
    """The codes that the file declares."""

    currencies: frozenset[str]
    tiers: frozenset[str]
    segments: frozenset[str]
    rules: frozenset[str]
    promised: frozenset[str]
    attributes: frozenset[str]
    impersonal: frozenset[str]

    def of(self, section: str) -> frozenset[str]:
        """Return what an effect of a rule can name of a section of the file."""
        # A rule promises without looking, so that what it gives can never be out of stock, and
        # what a rule says of a member stands in histories.
        narrowed = {"rewards": self.promised, "attributes": self.impersonal}
        return narrowed.get(section) or frozenset(getattr(self, section, ()))


# What names an entry of a list, where it is not its code.
_KEYS = {"tests": "name", "pools": "kind"}


def check(document: ProgramDocument, problems: Problems) -> None:
    """Add a problem for every code that is declared twice or named without being declared."""
    placed = list(_placed_rules(document))
    ladder = document.tiers.ladder if document.tiers else ()
    names = _Names(
        currencies=frozenset(each.code for each in document.points),
        tiers=frozenset(rung.code for rung in ladder),
        segments=frozenset(each.code for each in document.segments),
        rules=frozenset(rule.code for _, rule in placed),
        attributes=frozenset(each.code for each in document.attributes),
        impersonal=frozenset(each.code for each in document.attributes if not each.pii),
        promised=frozenset(
            each.code for each in document.rewards if each.stock is None and each.kind != "donation"
        ),
    )
    _check_codes(document, placed, problems)
    _check_currencies(document, problems)
    _check_periods(document, problems)
    for path, rule in placed:
        _check_rule(path, rule, names, problems)
    _check_caps(document, names, problems)
    _check_limits(document, problems)
    stacking_section.check(document.stacking, placed, problems)
    _check_segments(document, names, problems)
    _check_rewards(document, names, problems)
    _check_partners(document, problems)
    for index, case in enumerate(document.tests):
        _check_case(f"tests[{index}]", case, document, names, problems)


def _placed_rules(document: ProgramDocument) -> Iterator[tuple[str, RuleSection]]:
    for index, rule in enumerate(document.rules):
        yield f"rules[{index}]", rule
    for outer, campaign in enumerate(document.campaigns):
        for index, rule in enumerate(campaign.rules):
            yield f"campaigns[{outer}].rules[{index}]", rule


def _check_codes(
    document: ProgramDocument, placed: Iterable[tuple[str, RuleSection]], problems: Problems
) -> None:
    ladder = document.tiers.ladder if document.tiers else ()
    lists: list[tuple[str, Iterable[Any], Callable[[Any], str]]] = [
        ("points", document.points, _code),
        ("tiers.ladder", ladder, _code),
        ("campaigns", document.campaigns, _code),
        ("segments", document.segments, _code),
        ("rewards", document.rewards, _code),
        ("partners", document.partners, _code),
        ("attributes", document.attributes, _code),
        ("events", document.events, _code),
        ("pools", document.pools, lambda each: str(each.kind)),
        ("tests", document.tests, lambda each: str(each.name)),
    ]
    for path, sections, key in lists:
        named = [(f"{path}[{index}]", key(each)) for index, each in enumerate(sections)]
        _check_unique(named, _KEYS.get(path, "code"), problems)
    _check_unique([(path, rule.code) for path, rule in placed], "code", problems)


def _code(section: Any) -> str:
    return str(section.code)


def _check_unique(named: list[tuple[str, str]], key: str, problems: Problems) -> None:
    first = Counter(name for _, name in named)
    seen: set[str] = set()
    for path, name in named:
        if first[name] > 1 and name in seen:
            problems.add(f"{path}.{key}", f"each {key} once, {name} is there before")
        seen.add(name)


def _check_currencies(document: ProgramDocument, problems: Problems) -> None:
    kinds = {each.code: each.kind for each in document.points}
    if "redeemable" not in kinds.values():
        problems.add("points", "at least one currency of kind redeemable")
    if document.tiers is None:
        return
    graded = document.tiers.policy.currency
    if kinds.get(graded) != "qualifying":
        # Spending points must never cost anybody the tier.
        problems.add("tiers.policy.currency", "a currency of kind qualifying")


def _check_periods(document: ProgramDocument, problems: Problems) -> None:
    ladder = [rung.code for rung in document.tiers.ladder] if document.tiers else []
    for index, currency in enumerate(document.points):
        periods = currency.expiry.periods
        # In the order of the ladder, since whoever is on none has the period of the lowest.
        if periods is not None and [each.tier for each in periods] != ladder:
            expected = f"one period for each tier, in their order: {', '.join(ladder) or 'none'}"
            problems.add(f"points[{index}].expiry.periods", expected)


def _check_rule(path: str, rule: RuleSection, names: _Names, problems: Problems) -> None:
    for index, effect in enumerate(rule.effects):
        place = f"{path}.effects[{index}]"
        if not grants.is_grant(effect):
            _expect(effect["currency"], names.currencies, f"{place}.currency", problems)
            continue
        for key, section in grants.KINDS[effect["kind"]].names.items():
            _expect(effect[key], names.of(section), f"{place}.{key}", problems)
    segment = triggers.segment_of(rule.trigger)
    if segment is not None:
        _expect(segment, names.segments, f"{path}.trigger", problems)
    for key, tree in (("when", rule.when), ("lines", rule.lines)):
        if tree is not None:
            _check_condition(f"{path}.{key}", tree, names, problems)


def _check_caps(document: ProgramDocument, names: _Names, problems: Problems) -> None:
    seen = set()
    for index, cap in enumerate(document.caps):
        _expect(cap.currency, names.currencies, f"caps[{index}].currency", problems)
        counted = (cap.per, cap.period, cap.currency)
        if counted in seen:
            problems.add(f"caps[{index}]", "one cap for each subject, period and currency")
        seen.add(counted)


def _check_limits(document: ProgramDocument, problems: Problems) -> None:
    unknown = {
        each.code for each in document.points if each.kind == "redeemable" and not each.value
    }
    for path, rule in _placed_rules(document):
        for index, limit in enumerate(rule.limits):
            place = f"{path}.limits[{index}]"
            if limit["per"] == "code" and not (rule.when and coupons_named(rule.when)):
                problems.add(f"{place}.per", "a subject other than code: when names no coupon")
            if limit.get("money") is not None:
                _check_worth(f"{place}.money", [rule], unknown, problems)
    for index, campaign in enumerate(document.campaigns):
        if campaign.budget_money is not None:
            path = f"campaigns[{index}].budget_money"
            _check_worth(path, campaign.rules, unknown, problems)


def _check_worth(
    path: str, rules: Iterable[RuleSection], unknown: set[str], problems: Problems
) -> None:
    """Points of no known worth would be given without bound where money is to bound them."""
    given = {effect.get("currency") for rule in rules for effect in rule.effects}
    for code in sorted(unknown.intersection(given)):
        problems.add(path, f"no money, or a value of {code}: its points are given here")


def _check_condition(path: str, tree: Mapping[str, Any], names: _Names, problems: Problems) -> None:
    for place, leaf in _leaves(path, tree):
        if leaf["attr"].startswith(ANSWER):
            _expect(leaf["attr"].removeprefix(ANSWER), names.attributes, f"{place}.attr", problems)
        declared = {
            "member.tier": names.tiers,
            "member.segment": names.segments,
            "member.stage": frozenset(STAGES),
            "member.rfm": frozenset(GROUPS),
        }.get(leaf["attr"])
        if declared is None or leaf["op"] == "exists":
            continue
        value = leaf["value"]
        for each in [value] if isinstance(value, str) else value:
            _expect(each, declared, f"{place}.value", problems)


def _leaves(path: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("all", "any"):
        for index, each in enumerate(tree.get(kind, ())):
            yield from _leaves(f"{path}.{kind}[{index}]", each)
    if "not" in tree:
        yield from _leaves(f"{path}.not", tree["not"])
    if "attr" in tree:
        yield path, tree


def _check_segments(document: ProgramDocument, names: _Names, problems: Problems) -> None:
    ruled = {
        each.code: (index, each.where) for index, each in enumerate(document.segments) if each.where
    }
    for index, where in ruled.values():
        path = f"segments[{index}].where"
        _check_condition(path, where, names, problems)
        for place, leaf in _leaves(path, where):
            if not is_in_sql(leaf["attr"]):
                problems.add(f"{place}.attr", "an attribute that is known of all members at once")
    try:
        in_order({code: where for code, (_, where) in ruled.items()})
    except NamedInCircle as circle:
        path = f"segments[{ruled[circle.codes[0]][0]}].where"
        problems.add(path, f"segments that do not name each other in a circle: {circle}")


def _check_rewards(document: ProgramDocument, names: _Names, problems: Problems) -> None:
    for index, reward in enumerate(document.rewards):
        for place, tier in enumerate(reward.tiers):
            _expect(tier, names.tiers, f"rewards[{index}].tiers[{place}]", problems)
        if reward.segment is not None:
            _expect(reward.segment, names.segments, f"rewards[{index}].segment", problems)


def _check_partners(document: ProgramDocument, problems: Problems) -> None:
    redeemable = frozenset(each.code for each in document.points if each.kind == "redeemable")
    for index, partner in enumerate(document.partners):
        if partner.currency is not None:
            _expect(partner.currency, redeemable, f"partners[{index}].currency", problems)


def _check_case(
    path: str, case: CaseSection, document: ProgramDocument, names: _Names, problems: Problems
) -> None:
    if case.at is None and _depends_on_moment(document):
        problems.add(f"{path}.at", "a moment, since a rule has a window or asks for the moment")
    if case.member.tier is not None:
        _expect(case.member.tier, names.tiers, f"{path}.member.tier", problems)
    if case.expect.tier is not None:
        _expect(case.expect.tier, names.tiers, f"{path}.expect.tier", problems)
    for segment in case.member.segments:
        _expect(segment, names.segments, f"{path}.member.segments", problems)
    for currency in case.expect.currencies:
        _expect(currency, names.currencies, f"{path}.expect.{currency}", problems)
    for currency in case.expect.taken_back:
        place = f"{path}.expect.taken_back.{currency}"
        _expect(currency, names.currencies, place, problems)
    for key, rules in (("awards", case.expect.awards), ("not_applied", case.expect.not_applied)):
        for rule in rules:
            _expect(rule, names.rules, f"{path}.expect.{key}.{rule}", problems)


def _depends_on_moment(document: ProgramDocument) -> bool:
    if any(each.starts_at or each.ends_at or each.schedule for each in document.campaigns):
        return True
    trees = [
        tree
        for _, rule in _placed_rules(document)
        for tree in (rule.when, rule.lines)
        if tree is not None
    ]
    leaves = (leaf for tree in trees for _, leaf in _leaves("", tree))
    return any(leaf["attr"].startswith("moment.") for leaf in leaves)


def _expect(value: object, declared: frozenset[str], path: str, problems: Problems) -> None:
    if value not in declared:
        known = ", ".join(sorted(declared)) or "nothing, since none is declared"
        problems.add(path, f"one of {known}")
