"""Runs the tests that a program file carries, through the evaluator that posts purchases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from campaigns.earning import triggers
from campaigns.earning.evaluate import evaluate
from campaigns.earning.facts import (
    ConsentFacts,
    EventFacts,
    IdentifierFacts,
    LineFacts,
    MemberFacts,
    PurchaseFacts,
    ScoreFacts,
    TagFacts,
)
from campaigns.earning.results import Evaluation
from campaigns.earning.rules import CompiledRule, compile_caps, compile_definition
from campaigns.earning.stacking import compile_stacking
from loyalty_site.lib import money
from members import grading, lots

from . import trace_diff
from .canonical import caps_of, live_definitions, stacking_of
from .document import CaseLine, CasePurchase, CaseSection, Expectation, ProgramDocument

# The moment of a test without one, in a program none of whose rules asks for the moment.
ANY_MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure that is not what the test expects."""

    what: str
    expected: int | str
    actual: int | str | None

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, got {self.actual}"


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """How one test ended; ``report`` tells what differed and why each point was given."""

    name: str
    differences: tuple[Difference, ...]
    evaluation: Evaluation
    expect: Expectation
    not_asked: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Return whether everything that the test names was as expected."""
        return not self.differences

    @property
    def report(self) -> str:
        """Return lines for a person: the verdict, and of a failure the difference of the traces."""
        if self.passed:
            return f"ok    {self.name}"
        return "\n".join([f"FAIL  {self.name}", *trace_diff.lines(self)])


def run_tests(document: ProgramDocument) -> list[CaseOutcome]:
    """Return the outcome of every embedded test, each from an empty history."""
    rules = [compile_definition(each, 1) for each in live_definitions(document)]
    return [_run(case, document, rules) for case in document.tests]


def _run(case: CaseSection, document: ProgramDocument, rules: list[CompiledRule]) -> CaseOutcome:
    at = case.at or document.program.effective_from or ANY_MOMENT
    tier = case.member.tier or (document.tiers.ladder[0].code if document.tiers else None)
    member = MemberFacts(
        id="test",
        status=case.member.status,
        tier=tier,
        enrolled_at=case.member.enrolled_at or at,
        birth_date=case.member.birth_date,
        locale=case.member.locale,
        source_channel=case.member.source_channel,
        segments=frozenset(case.member.segments),
        tags=tuple(TagFacts(tag, at) for tag in case.member.tags),
        scores={
            code: ScoreFacts(text)
            for code, text in (("stage", case.member.stage), ("rfm", case.member.rfm))
            if text is not None
        },
        identifiers=tuple(IdentifierFacts(each, at, at) for each in case.member.identifiers),
        consents=tuple(ConsentFacts(each, True, at) for each in case.member.consents),
    )
    caps = compile_caps(caps_of(document))
    fact = _fact(case, document, at)
    values = {each.code: each.value for each in document.points}
    stacking = compile_stacking(stacking_of(document), values)
    evaluation = evaluate(rules, fact, member, {}, caps=caps, stacking=stacking)
    return CaseOutcome(
        name=case.name,
        differences=_differences(case, document, evaluation, at, tier),
        evaluation=evaluation,
        expect=case.expect,
        not_asked=trace_diff.not_asked(document, rules, fact, case.expect),
    )


def _fact(case: CaseSection, document: ProgramDocument, at: datetime) -> PurchaseFacts | EventFacts:
    local = at.astimezone(document.program.zone)
    if case.event is not None:
        kind = case.event.type
        # A test names an occasion as the trigger of its rules does.
        return EventFacts(
            kind, at, local, case.event.payload, is_occasion=triggers.names_occasion(kind)
        )
    assert case.purchase is not None
    return _purchase(case.purchase, document.program.currency, at, local)


def _purchase(
    purchase: CasePurchase, currency: str, at: datetime, local: datetime
) -> PurchaseFacts:
    digits = money.minor_digits(currency)
    lines = tuple(_line(line, place, digits) for place, line in enumerate(purchase.lines))
    return PurchaseFacts(
        source="test",
        occurred_at=at,
        local=local,
        currency=currency,
        lines=lines,
        net=sum((line.net for line in lines), money.ZERO),
        store=purchase.store,
        channel=purchase.channel,
        cashier=purchase.cashier,
        device=purchase.device,
        coupons=purchase.coupons,
        tenders=(("points", purchase.points_paid),) if purchase.points_paid else (),
    )


def _line(line: CaseLine, place: int, digits: int) -> LineFacts:
    return LineFacts(
        line_id=line.line_id,
        position=place,
        quantity=line.quantity,
        unit_price=line.unit_price,
        net=money.line_net(line.quantity, line.unit_price, line.discount, digits),
        sku=line.sku,
        name=line.name,
        category=line.category,
        brand=line.brand,
        discount=line.discount,
        tax=line.tax,
        tags=line.tags,
    )


def _differences(
    case: CaseSection,
    document: ProgramDocument,
    evaluation: Evaluation,
    at: datetime,
    tier: str | None,
) -> tuple[Difference, ...]:
    expect = case.expect
    by_rule: Counter[str] = Counter()
    for award in evaluation.awards:
        by_rule[award.rule_code] += award.points
    compared: list[tuple[str, int | str | None, int | str | None]] = [
        ("points", expect.points, evaluation.points(document.default_currency)),
        *((code, figure, evaluation.points(code)) for code, figure in expect.currencies.items()),
        *((f"awards.{code}", figure, by_rule[code]) for code, figure in expect.awards.items()),
    ]
    if expect.tier is not None:
        compared.append(("tier", expect.tier, _tier_after(document, evaluation, at, tier)))
    reasons: dict[str | None, str] = {
        each.rule_code: each.reason for each in reversed(evaluation.not_applied)
    }
    compared += [
        (f"not_applied.{code}", reason, reasons.get(code, "applied" if code in by_rule else None))
        for code, reason in expect.not_applied.items()
    ]
    if expect.taken_back:
        taken = _taken_back(case, evaluation)
        compared += [
            (f"taken_back.{code}", n, taken[code]) for code, n in expect.taken_back.items()
        ]
    return tuple(
        Difference(what, expected, actual)
        for what, expected, actual in compared
        if expected is not None and expected != actual
    )


def _taken_back(case: CaseSection, evaluation: Evaluation) -> Counter[str]:
    """Return by currency what the test's return takes back, by the attribution of the awards."""
    taken: Counter[str] = Counter()
    lines = case.purchase.lines if case.purchase else ()
    for award in evaluation.awards:
        for line, attributed in zip(lines, award.attribution, strict=True):
            back = case.returned.get(line.line_id)
            if back:
                points = lots.taken_back(attributed, line.quantity, Decimal(0), back)
                taken[award.currency] += points
    return taken


def _tier_after(
    document: ProgramDocument, evaluation: Evaluation, at: datetime, tier: str | None
) -> str | None:
    """Return the tier that the fact leads to, for a member who has gained nothing before."""
    if document.tiers is None or tier is None:
        return None
    rules = document.tiers.grading(document.program.zone)
    before = grading.Standing(tier, at - timedelta(microseconds=1), None)
    gains = [grading.Gain(at, evaluation.points(document.tiers.policy.currency))]
    return grading.regrade(rules, [before], gains, at, at)[-1].tier
