"""One basket of one member under the live program or a draft: what it would give, and why not.

Reads in a READ ONLY transaction and writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from campaigns.earning import evaluate
from campaigns.earning.facts import LineFacts, MemberFacts, PurchaseFacts
from campaigns.earning.results import Evaluation
from campaigns.earning.rules import limit_keys
from campaigns.models import CampaignDraft
from campaigns.programfile import ProgramDocument, from_canonical
from campaigns.programfile.single import with_campaign
from campaigns.queries import rulebook
from campaigns.services import counters, drafts, judging, opening
from campaigns.services.checks import read_only
from campaigns.trial.book import Book, make_book
from loyalty_site.lib import money
from members import grading
from members.models import Member


@dataclass(frozen=True, slots=True)
class Tried:
    """What a basket would give; ``next_tier`` is the rung above what it would lead to."""

    evaluation: Evaluation
    net: Decimal
    money: str
    currency: str
    points: int
    tier_before: str | None
    tier_after: str | None
    next_tier: grading.Next | None


@dataclass(frozen=True, slots=True)
class BasketLine:
    """One line as staff write it; ``sku`` and ``category`` may be empty."""

    sku: str
    category: str
    quantity: Decimal
    price: Decimal
    tags: tuple[str, ...] = ()


def document_with(draft: CampaignDraft | None) -> ProgramDocument:
    """Return the live document; with a draft, its campaign in it as if it were active.

    :raises NoProgram: nothing is live.
    :raises ProgramFileError: the live program cannot have the campaign.
    """
    live = drafts.live()
    if draft is None:
        return from_canonical(live)
    return with_campaign(live, {**draft.body, "status": "active"})


def try_basket(
    *,
    document: ProgramDocument,
    member: Member | None,
    lines: Sequence[BasketLine],
    at: datetime,
    moment: datetime,
    store: str = "",
    coupons: Sequence[str] = (),
) -> Tried:
    """Return what a purchase of the lines would give the member under the document.

    Without a member it is somebody who joined at that very moment. Limits stand as the live
    counters have them; those of rules that are not live yet are unused.
    """
    book = make_book(document)
    fact = _fact(book, lines, at, store, coupons)
    with transaction.atomic():
        read_only()
        state = _state(member, at, moment) if member else None
        facts = state.facts_at(at) if state else _newcomer(book, at)
        rules = book.rules_for(fact)
        asked = evaluate.ask(rules, fact, facts, stacking=book.stacking)
        keys = limit_keys(rules, fact, facts.id, book.caps)
        used = counters.reserve(rulebook.latest(), keys, dry_run=True).used
        evaluation = evaluate.grant(asked, used, book.caps)
    after, above = _tiers(book, state, facts, evaluation, at)
    return Tried(
        evaluation=evaluation,
        net=fact.net,
        money=book.money,
        currency=book.default,
        points=evaluation.points(book.default),
        tier_before=facts.tier,
        tier_after=after,
        next_tier=above,
    )


def _state(member: Member, at: datetime, moment: datetime) -> judging.MemberState:
    """Return the member with every fact that any rule could ask for."""
    book = replace(rulebook.latest(), needs_segments=True, needs_history=True, needs_standing=True)
    return opening.settled_state(book, member.pk, at, moment, settle=False)


def _newcomer(book: Book, at: datetime) -> MemberFacts:
    lowest = book.grading.ladder.rungs[0].code if book.grading else None
    return MemberFacts(id="", tier=lowest, enrolled_at=at)


def _fact(
    book: Book, lines: Sequence[BasketLine], at: datetime, store: str, coupons: Sequence[str]
) -> PurchaseFacts:
    told = tuple(
        LineFacts(
            line_id=str(place),
            position=place,
            quantity=line.quantity,
            unit_price=line.price,
            net=money.line_net(line.quantity, line.price, Decimal(0), book.minor_digits),
            sku=line.sku or None,
            category=line.category or None,
            tags=line.tags,
        )
        for place, line in enumerate(lines, 1)
    )
    return PurchaseFacts(
        source="trial",
        occurred_at=at,
        local=at.astimezone(book.zone),
        currency=book.money,
        lines=told,
        net=sum((line.net for line in told), Decimal(0)),
        store=store or None,
        coupons=tuple(coupons),
    )


def _tiers(
    book: Book,
    state: judging.MemberState | None,
    facts: MemberFacts,
    evaluation: Evaluation,
    at: datetime,
) -> tuple[str | None, grading.Next | None]:
    """Return the tier that the basket leads to, and what is missing to the one above."""
    if book.grading is None:
        return facts.tier, None
    standings = state.standings if state else []
    standings = standings or [grading.enrolled(book.grading.ladder, at)]
    gains = [*(state.gains.read if state else ())]
    gained = evaluation.points(book.graded)
    gains.append(grading.Gain(at, gained))
    regraded = grading.regrade(book.grading, standings, gains, at, at)
    held = regraded[-1]
    return held.tier, grading.progress(book.grading, held, gains, at).next
