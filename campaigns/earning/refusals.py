"""What did not apply, and why, in words that the member can act upon."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from . import sentences
from .attributes import Context, nfc
from .effects import SCALE_DIGITS, Basket, Request
from .results import NotApplied
from .rules import CompiledRule, Fact


def condition(rule: CompiledRule, context: Context, basket: Basket) -> Iterator[NotApplied]:
    """Yield why the rule's condition does not hold.

    A rule that asks for a coupon which the purchase does not carry is passed over: its
    sentence would give the coupon's code away.
    """
    if rule.coupons and rule.coupons.isdisjoint(_carried(context)):
        return
    for currency in _currencies(rule):
        if rule.minimum is not None and rule.minimum.rest(context):
            yield _below_minimum(rule, currency, basket)
        else:
            yield _not_applied(
                rule, currency, "condition_not_met", f"Applies when {rule.when_text}"
            )


def _carried(context: Context) -> frozenset[str]:
    return frozenset(map(nfc, context.purchase.coupons)) if context.purchase else frozenset()


def _currencies(rule: CompiledRule) -> list[str | None]:
    """Return the currencies that the rule gives; a rule that gives no points is told once."""
    return list(dict.fromkeys(effect.currency for effect in rule.effects)) or [None]


def _below_minimum(rule: CompiledRule, currency: str | None, basket: Basket) -> NotApplied:
    assert rule.minimum is not None
    least = int(rule.minimum.net.scaleb(SCALE_DIGITS))
    missing = basket.wire(least - sum(basket.nets))
    text = f"{missing} more reaches the minimum of {basket.wire(least)}"
    return _not_applied(rule, currency, "below_minimum", text, missing=missing)


def no_line(rule: CompiledRule) -> NotApplied:
    """Return that no line of the purchase is one of the rule's."""
    text = f"No line where {rule.lines_text}"
    return _not_applied(rule, _currencies(rule)[0], "no_matching_line", text)


def not_now(rule: CompiledRule, fact: Fact) -> Iterator[NotApplied]:
    """Yield when the rule's campaign has its hours, if that is today or within a week."""
    campaign = rule.campaign
    if campaign is None or campaign.schedule is None:
        return
    schedule = campaign.schedule
    start = schedule.next_start(fact.local)
    # Read in the program's zone, whose clock the schedule speaks of.
    if start is not None and campaign.is_on(start.replace(tzinfo=fact.local.tzinfo)):
        text = f"Applies on {sentences.occurrence(start, schedule.duration)}"
    elif (over := schedule.past_start(fact.local)) is not None:
        text = f"Applied on {sentences.occurrence(over, schedule.duration)}"
    else:
        return
    for currency in _currencies(rule):
        yield _not_applied(rule, currency, "not_now", text)


def largest_only(rule: CompiledRule, currency: str, winner: CompiledRule) -> NotApplied:
    """Return that another multiplier adds more and the program takes only the largest."""
    text = f"Another multiplier adds more: {winner.name}"
    return _not_applied(rule, currency, "not_combined", text, because_of=winner.code)


def not_combined(rule: CompiledRule, winner: CompiledRule) -> Iterator[NotApplied]:
    """Yield that the rule does not go together with one that applies."""
    text = f"Not together with {winner.name}"
    for currency in _currencies(rule):
        yield _not_applied(rule, currency, "not_combined", text, because_of=winner.code)


def empty(rule: CompiledRule, currency: str, request: Request) -> NotApplied:
    """Return that the effect came to no whole point."""
    if request.empty == "below_one_point":
        text = f"{request.text}: {request.missing} more gives the first point"
    else:
        text = "There are no base points to multiply"
    return _not_applied(rule, currency, request.empty, text, missing=request.missing)


def used_up(rule: CompiledRule, text: str) -> NotApplied:
    """Return that a limit lets the rule give nothing more beside points; its words are given."""
    return _not_applied(rule, None, "limit_reached", f"Not given again: {text}")


def with_coupons(
    coupons: Sequence[str],
    known: Sequence[CompiledRule],
    gave: Collection[str],
    capped: Mapping[str, str],
    refused: Sequence[NotApplied],
) -> list[NotApplied]:
    """Return ``refused`` with every coupon that gave nothing told once, instead of its rule.

    ``gave`` are the codes of the rules that gave something, ``capped`` the words of those that a
    limit let give nothing.
    """
    told: list[NotApplied] = []
    named: set[str] = set()
    for coupon in dict.fromkeys(coupons):
        asking = [rule for rule in known if nfc(coupon) in rule.coupons]
        named.update(rule.code for rule in asking if rule.code not in gave)
        if not asking:
            told.append(_coupon_unknown(coupon))
        elif not any(rule.code in gave for rule in asking):
            told.append(_coupon_not_usable(coupon, asking[0], capped, refused))
    return [*(each for each in refused if each.rule_code not in named), *told]


def _coupon_unknown(coupon: str) -> NotApplied:
    return NotApplied(
        rule_code=None,
        rule_version=None,
        rule_name=None,
        campaign=None,
        currency=None,
        reason="coupon_unknown",
        text="No rule knows this coupon",
        coupon=coupon,
    )


def _coupon_not_usable(
    coupon: str,
    rule: CompiledRule,
    capped: Mapping[str, str],
    refused: Sequence[NotApplied],
) -> NotApplied:
    why = next((each for each in refused if each.rule_code == rule.code), None)
    return _not_applied(
        rule,
        _currencies(rule)[0],
        "coupon_not_usable",
        why.text if why else capped.get(rule.code, "The coupon cannot be used now"),
        missing=why.missing if why else None,
        coupon=coupon,
        because_of=why.because_of if why else None,
    )


def _not_applied(
    rule: CompiledRule,
    currency: str | None,
    reason: str,
    text: str,
    *,
    missing: str | None = None,
    coupon: str | None = None,
    because_of: str | None = None,
) -> NotApplied:
    return NotApplied(
        rule_code=rule.code,
        rule_version=rule.version,
        rule_name=rule.name,
        campaign=rule.campaign.code if rule.campaign else None,
        currency=currency,
        reason=reason,
        text=text,
        missing=missing,
        coupon=coupon,
        because_of=because_of,
    )
