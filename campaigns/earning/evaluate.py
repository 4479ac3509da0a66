"""One evaluator for preview, live posting, program tests and replay: facts in, awards out.

Order is priority, then the order given. The base is counted first, multipliers act on it
alone, then rules that do not go together leave out one another; limits come last and influence
nothing before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from loyalty_site.lib import money
from members.lots import split_by_largest_remainder

from . import refusals, rules
from .attributes import Context
from .effects import SCALE_DIGITS, Base, Basket, EarnRate, Request
from .facts import EventFacts, MemberFacts, PurchaseFacts
from .limits import Allowance
from .results import AwardDraft, Counters, Evaluation, GrantDraft, NotApplied
from .rules import Cap, CompiledRule, Fact
from .stacking import EVERYTHING, Asked, Stacking, choose, largest_multiplier, multiplied

# A rule whose conditions hold, with the lines that are its own.
Held = tuple[CompiledRule, Sequence[int]]
# The lines of each rule, by its identity, for one fact and member; None where it does not hold.
Judged = dict[int, Sequence[int] | None]
_NO_LINES = Basket((), 0)


class Requests(NamedTuple):
    """What the rules ask for one fact of one member: it depends on no counter.

    Good for as long as the member is as ``member`` has them; ``known`` are the rules in order.
    """

    fact: Fact
    member: MemberFacts
    known: Sequence[CompiledRule]
    asked: Sequence[Asked]
    refused: Sequence[NotApplied]
    granting: Sequence[tuple[CompiledRule, Sequence[int]]] = ()

    @property
    def giving(self) -> set[str]:
        """Return the codes of the rules that ask for points, or give something beside them."""
        asking = {each.rule.code for each in self.asked if each.request.points}
        return asking | {rule.code for rule, _ in self.granting}


def evaluate(
    rule_set: Iterable[CompiledRule],
    fact: Fact,
    member: MemberFacts,
    counters: Counters,
    *,
    caps: Sequence[Cap] = (),
    stacking: Stacking = EVERYTHING,
) -> Evaluation:
    """Return what the rules give for one fact of one member, and why.

    ``rule_set`` are the rules valid at the moment of the fact; those outside their campaign's
    window are passed over. ``counters`` holds what ``rules.limit_keys`` named, a missing one
    counts as unused. ``caps`` bound what all rules give together, ``stacking`` says which of
    them apply together.
    """
    return grant(ask(rule_set, fact, member, stacking=stacking), counters, caps)


def ask(
    rule_set: Iterable[CompiledRule],
    fact: Fact,
    member: MemberFacts,
    *,
    stacking: Stacking = EVERYTHING,
    judged: Judged | None = None,
) -> Requests:
    """Return what the rules ask for one fact of one member, before any limit.

    A replay passes in what of the rules has been ``judged`` for the same fact and member, and
    is not told what did not apply: it judges each rule once for two programs.
    """
    known = rules.in_order(rule_set)
    context = _context(fact, member)
    basket = _basket(fact)
    refused: list[NotApplied] = []
    if judged is None:
        held = _held(known, fact, context, basket, refused)
    else:
        held = _held_as_judged(known, fact, context, judged)
    held, asked = _stacked(held, basket, stacking, refused)
    granting = [(rule, selected) for rule, selected in held if rule.grants]
    return Requests(fact, member, known, asked, refused, granting)


def _held(
    known: Sequence[CompiledRule],
    fact: Fact,
    context: Context,
    basket: Basket,
    refused: list[NotApplied],
) -> list[Held]:
    held: list[Held] = []
    for rule in known:
        if not rule.answers(fact):
            continue
        if not rule.is_now(fact):
            refused.extend(_almost(rule, fact, context))
            continue
        if rule.when is not None and not rule.when(context):
            refused.extend(refusals.condition(rule, context, basket))
            continue
        selected = _selected(rule, fact, context)
        if rule.lines is not None and not selected:
            refused.append(refusals.no_line(rule))
            continue
        held.append((rule, selected))
    return held


def _held_as_judged(
    known: Sequence[CompiledRule], fact: Fact, context: Context, judged: Judged
) -> list[Held]:
    held: list[Held] = []
    for rule in known:
        place = id(rule)
        if place not in judged:
            judged[place] = _lines_held(rule, fact, context)
        selected = judged[place]
        if selected is not None:
            held.append((rule, selected))
    return held


def _lines_held(rule: CompiledRule, fact: Fact, context: Context) -> Sequence[int] | None:
    if not rule.is_live(fact) or (rule.when is not None and not rule.when(context)):
        return None
    selected = _selected(rule, fact, context)
    return None if rule.lines is not None and not selected else selected


def grant(
    requests: Requests, counters: Counters, caps: Sequence[Cap] = (), *, attributed: bool = True
) -> Evaluation:
    """Return what the limits let through of what was asked, and why not of the rest.

    A replay that knows that nothing of a purchase comes back asks for awards that are not
    ``attributed`` to lines, which is the larger half of the work.
    """
    fact = requests.fact
    refused = list(requests.refused)
    allowance = Allowance(counters, fact, requests.member.id, caps)
    awards = _awards(requests.asked, fact, allowance, refused, attributed)
    grants = _grants(requests.granting, fact, allowance, refused)
    if isinstance(fact, PurchaseFacts) and fact.coupons:
        gave = {award.rule_code for award in awards if award.points}
        gave |= {each.rule_code for each in grants}
        capped = {award.rule_code: award.text for award in awards if not award.points}
        refused = refusals.with_coupons(fact.coupons, requests.known, gave, capped, refused)
    return Evaluation(tuple(awards), tuple(refused), tuple(grants))


def _grants(
    granting: Sequence[tuple[CompiledRule, Sequence[int]]],
    fact: Fact,
    allowance: Allowance,
    refused: list[NotApplied],
) -> list[GrantDraft]:
    """Return what rules give beside points; all that one rule gives is one use of it."""
    grants = []
    for rule, selected in granting:
        allowed = allowance.use(rule)
        if not allowed.points:
            refused.append(refusals.used_up(rule, allowed.sentence))
            continue
        lines = () if isinstance(fact, EventFacts) or rule.lines is None else fact.lines
        for number, effect in enumerate(rule.grants):
            grants.append(
                GrantDraft(
                    rule_code=rule.code,
                    rule_version=rule.version,
                    rule_name=rule.name,
                    campaign=rule.campaign.code if rule.campaign else None,
                    effect=effect.place,
                    kind=effect.kind,
                    body=effect.body,
                    text=effect.text,
                    line_ids=tuple(lines[place].line_id for place in selected) if lines else (),
                    limit_uses=() if number else allowed.uses,
                )
            )
    return grants


def _almost(rule: CompiledRule, fact: Fact, context: Context) -> Iterator[NotApplied]:
    """Yield that the rule would hold at another hour near by; else it is passed over."""
    if rule.when is not None and not rule.when(context):
        return
    if rule.lines is None or _selected(rule, fact, context):
        yield from refusals.not_now(rule, fact)


def _context(fact: Fact, member: MemberFacts) -> Context:
    if isinstance(fact, EventFacts):
        return Context(member, fact.local, event=fact)
    return Context(member, fact.local, purchase=fact)


def _basket(fact: Fact) -> Basket:
    if isinstance(fact, EventFacts):
        return _NO_LINES
    nets = tuple([int(line.net.scaleb(SCALE_DIGITS)) for line in fact.lines])
    paid = sum(
        int(amount.scaleb(SCALE_DIGITS)) for kind, amount in fact.tenders if kind == "points"
    )
    return Basket(nets, money.minor_digits(fact.currency), paid)


def _selected(rule: CompiledRule, fact: Fact, context: Context) -> Sequence[int]:
    if isinstance(fact, EventFacts):
        return ()
    if rule.lines is None:
        return range(len(fact.lines))
    selected = []
    for index, line in enumerate(fact.lines):
        context.line = line
        if rule.lines(context):
            selected.append(index)
    return selected


def _stacked(
    held: list[Held], basket: Basket, stacking: Stacking, refused: list[NotApplied]
) -> tuple[list[Held], list[Asked]]:
    """Return the rules that apply together and what they ask, multipliers combined."""
    asked, bases = _asked(held, basket)
    lost = choose([rule for rule, _ in held], asked, stacking) if stacking.chooses else []
    if lost:
        for rule, winner in lost:
            refused.extend(refusals.not_combined(rule, winner))
        gone = {each.rule.code for each in lost}
        held = [each for each in held if each[0].code not in gone]
        # Asked anew: a rate that does not apply is no part of the base.
        asked, bases = _asked(held, basket)
    if stacking.multipliers == "product":
        return held, multiplied(asked, bases, basket)
    if stacking.multipliers == "max":
        asked, smaller = largest_multiplier(asked)
        refused.extend(
            refusals.largest_only(each.rule, each.currency, best.rule) for each, best in smaller
        )
    return held, asked


def _asked(held: Sequence[Held], basket: Basket) -> tuple[list[Asked], Mapping[str, Base]]:
    """Ask the rates first: a multiplier may come before the rate that it multiplies."""
    bases: dict[str, Base] = {}
    given: dict[tuple[int, int], Request] = {}
    for place, (rule, selected) in enumerate(held):
        if rule.campaign is not None:
            continue
        for number, effect in enumerate(rule.effects):
            if isinstance(effect, EarnRate):
                request = effect.request(basket, selected, None)
                given[place, number] = request
                bases.setdefault(effect.currency, Base()).add(effect, selected, request.points)
    asked = [
        Asked(
            rule,
            number,
            selected,
            given.get((place, number))
            or effect.request(basket, selected, bases.get(effect.currency)),
        )
        for place, (rule, selected) in enumerate(held)
        for number, effect in enumerate(rule.effects)
    ]
    return asked, bases


def _awards(
    asked: Sequence[Asked],
    fact: Fact,
    allowance: Allowance,
    refused: list[NotApplied],
    attributed: bool,
) -> list[AwardDraft]:
    awards = []
    for each in asked:
        if each.request.points:
            awards.append(_award(each, fact, allowance, attributed))
        else:
            refused.append(refusals.empty(each.rule, each.currency, each.request))
    return awards


def _award(asked: Asked, fact: Fact, allowance: Allowance, attributed: bool) -> AwardDraft:
    rule, request = asked.rule, asked.request
    grant = allowance.grant(rule, asked.currency, request.points)
    lines = () if isinstance(fact, EventFacts) else fact.lines
    one_line = rule.lines is not None and len(asked.selected) == 1
    return AwardDraft(
        rule_code=rule.code,
        rule_version=rule.version,
        rule_name=rule.name,
        campaign=rule.campaign.code if rule.campaign else None,
        currency=asked.currency,
        effect=asked.effect,
        requested=request.points,
        points=grant.points,
        capped_by=grant.capped_by,
        text=f"{request.text}; {grant.sentence}" if grant.sentence else request.text,
        trace=request.trace,
        attribution=_attribution(grant.points, request.weights, asked.selected, len(lines))
        if attributed
        else (),
        line_id=lines[asked.selected[0]].line_id if one_line else None,
        limit_uses=grant.uses,
        pending=rule.pending,
    )


def _attribution(
    points: int, weights: Sequence[int | Fraction], selected: Sequence[int], line_count: int
) -> tuple[int, ...]:
    if not selected:
        return ()
    shares = split_by_largest_remainder(points, weights)
    if len(selected) == line_count:
        return tuple(shares)
    attribution = [0] * line_count
    for index, share in zip(selected, shares, strict=True):
        attribution[index] = share
    return tuple(attribution)
