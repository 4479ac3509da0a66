"""Tells a test that failed: what it expected and got, rule by rule, and what did not apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from campaigns.earning.results import Evaluation
from campaigns.earning.rules import CompiledRule, Fact, trigger_of

from .document import Expectation, ProgramDocument
from .rule_document import LIVE_STATUSES

if TYPE_CHECKING:
    from .embedded import CaseOutcome


def lines(outcome: CaseOutcome) -> Iterator[str]:
    """Yield the lines under the name of a test that failed.

    As in any difference, what was expected stands behind ``-`` and what came behind ``+``.
    """
    for each in outcome.differences:
        yield f"  - {each.what} {each.expected}"
        yield f"  + {each.what} {'none' if each.actual is None else each.actual}"
    if outcome.evaluation.awards:
        yield "    What gave points:"
        yield from _gave(outcome.evaluation, outcome.expect)
    if outcome.evaluation.not_applied:
        yield "    What did not apply:"
        for refusal in outcome.evaluation.not_applied:
            mark = "!" if outcome.expect.awards.get(refusal.rule_code or "") else " "
            yield (
                f"  {mark}   {refusal.rule_code or refusal.coupon}: {refusal.reason},"
                f" {refusal.text}"
            )
    if outcome.not_asked:
        yield "    What was not asked:"
        for code, why in outcome.not_asked.items():
            mark = "!" if outcome.expect.awards.get(code) else " "
            yield f"  {mark}   {code}: {why}"


def _gave(evaluation: Evaluation, expect: Expectation) -> Iterator[str]:
    """Yield a line for each award; of a rule whose sum is not the expected one with ``!``."""
    got: dict[str, int] = {}
    for award in evaluation.awards:
        got[award.rule_code] = got.get(award.rule_code, 0) + award.points
    for award in evaluation.awards:
        wanted = expect.awards.get(award.rule_code)
        differs = wanted is not None and wanted != got[award.rule_code]
        said = f" (expected {wanted})" if differs else ""
        yield (
            f"  {'!' if differs else ' '} {award.points:>8} {award.currency:<8}"
            f" {award.rule_code}: {award.text}{said}"
        )


def not_asked(
    document: ProgramDocument, rules: Sequence[CompiledRule], fact: Fact, expect: Expectation
) -> Mapping[str, str]:
    """Return by rule why it was not asked at all: trigger, window, or a campaign not active.

    A rule for another trigger is only told where the test names it.
    """
    named = {*expect.awards, *expect.not_applied}
    told = {}
    for rule in rules:
        if rule.trigger != trigger_of(fact):
            if rule.code in named:
                told[rule.code] = f"it answers to {rule.trigger}, not to {trigger_of(fact)}"
        elif not rule.is_live(fact) and rule.campaign is not None:
            starts_at, ends_at = rule.campaign.starts_at, rule.campaign.ends_at
            told[rule.code] = f"campaign {rule.campaign.code} {_window(starts_at, ends_at, fact)}"
    for campaign in document.campaigns:
        if campaign.status not in LIVE_STATUSES:
            told |= {
                rule.code: f"campaign {campaign.code} is {campaign.status}, not active"
                for rule in campaign.rules
            }
    return told


def _window(starts_at: datetime | None, ends_at: datetime | None, fact: Fact) -> str:
    zone = fact.local.tzinfo
    if starts_at is not None and fact.occurred_at < starts_at:
        return f"begins on {starts_at.astimezone(zone):%Y-%m-%d %H:%M}"
    if ends_at is not None and ends_at <= fact.occurred_at:
        return f"ended on {ends_at.astimezone(zone):%Y-%m-%d %H:%M}"
    return "is not on at that moment"
