"""Judge purchases and events for one member after the other, in memory.

No database and no clock: what the opening call read goes in, what the posting
call writes comes out. Every fact changes the member's state for the next, so
that a batch gives what the same purchases sent singly would give.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from campaigns.bodies import EventBody, PurchaseBody
from campaigns.earning import evaluate, triggers
from campaigns.earning.evaluate import Requests
from campaigns.earning.facts import (
    BoughtFacts,
    ConsentFacts,
    EventFacts,
    IdentifierFacts,
    LineFacts,
    MemberFacts,
    PurchaseFacts,
    ScoreFacts,
    TagFacts,
    bought_facts,
)
from campaigns.earning.results import AwardDraft, Evaluation, LimitKey, LimitUse, Used
from campaigns.earning.rules import limit_keys
from campaigns.queries.rulebook import Currency, Published, Rulebook
from campaigns.services import member_facts
from campaigns.services.gains import Gains
from campaigns.services.giving import Prepared, prepared
from campaigns.services.granting import Granted, Part, grant
from loyalty_site.lib import money
from loyalty_site.lib.errors import DomainError
from members import grading
from members.services.tiers import StoredStanding, read_standings, splice


@dataclass(slots=True)
class MemberState:
    """A locked member as intake knows them; changed by every fact that is judged."""

    id: int
    public_id: str
    status: str
    enrolled_at: datetime
    birth_date: date | None
    locale: str
    source_channel: str
    accounts: dict[str, list[Any]]
    stored: list[StoredStanding]
    standings: list[grading.Standing]
    gains: Gains
    segments: frozenset[str]
    history: list[datetime]
    tags: tuple[TagFacts, ...] = ()
    scores: Mapping[str, ScoreFacts] = field(default_factory=dict)
    identifiers: tuple[IdentifierFacts, ...] = ()
    consents: tuple[ConsentFacts, ...] = ()
    bought: tuple[BoughtFacts, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    asked: dict[int, Requests] = field(default_factory=dict)

    def account(self, currency: Currency, kind: str) -> int:
        """Return the row of the member's account."""
        account: int = self.accounts[f"{currency.id}:{kind}"][0]
        return account

    def owed(self, currency: Currency) -> int:
        """Return the member's debt in points, not negative."""
        account = self.accounts.get(f"{currency.id}:debt")
        return -account[1] if account else 0

    def owed_since(self, currency: Currency) -> datetime | None:
        """Return when the latest part of the debt was made; before that it cannot be paid."""
        since = self.accounts[f"{currency.id}:debt"][2]
        return datetime.fromisoformat(since) if since else None

    def settle(self, currency: Currency, points: int) -> None:
        """Lower the debt by ``points``."""
        self.accounts[f"{currency.id}:debt"][1] += points

    def facts_at(self, occurred_at: datetime) -> MemberFacts:
        """Return the member as they were just before the fact."""
        earlier = bisect_left(self.history, occurred_at)
        return MemberFacts(
            id=self.public_id,
            status=self.status,
            tier=grading.tier_at(self.standings, occurred_at),
            enrolled_at=self.enrolled_at,
            birth_date=self.birth_date,
            locale=self.locale or None,
            source_channel=self.source_channel or None,
            segments=self.segments,
            purchases_count=earlier,
            last_purchase_at=self.history[earlier - 1] if earlier else None,
            tags=self.tags,
            scores=self.scores,
            identifiers=self.identifiers,
            consents=self.consents,
            bought=self.bought,
            attributes=self.attributes,
        )


def member_state(pk: int, row: Mapping[str, Any], book: Rulebook, until: datetime) -> MemberState:
    """Return the state from what ``intake_members`` gave, its timeline brought up to ``until``."""
    stored: list[StoredStanding] = []
    gains = Gains()
    standings: list[grading.Standing] = []
    if book.grading is not None:
        stored = read_standings(row["standings"], book.grading.codes)
        gains = Gains(row["gains"])
        standings = [each.standing for each in stored]
        if standings and standings[-1].valid_until is not None:
            standings = splice(
                standings,
                grading.regrade(
                    book.grading.grading, standings, gains.read, standings[-1].starts_at, until
                ),
            )
    birth_date = row["birth_date"]
    return MemberState(
        id=pk,
        public_id=row["public_id"],
        status=row["status"],
        enrolled_at=datetime.fromisoformat(row["enrolled_at"]),
        birth_date=date.fromisoformat(birth_date) if birth_date else None,
        locale=row["locale"],
        source_channel=row["source_channel"],
        accounts=row["accounts"] or {},
        stored=stored,
        standings=standings,
        gains=gains,
        segments=frozenset(row["segments"] or ()),
        history=sorted(map(datetime.fromisoformat, row["history"] or ())),
        tags=member_facts.tags(row["tags"]),
        scores=member_facts.scores(row["scores"]),
        identifiers=member_facts.identifiers(row["identifiers"]),
        consents=member_facts.consents(row["consents"]),
        attributes=member_facts.attributes(row["attributes"]),
        bought=member_facts.bought(row["bought"]),
    )


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome for one fact: awards with reasons, points by currency, the tier."""

    evaluation: Evaluation
    granted: Mapping[Part, Granted]
    version_ids: Mapping[tuple[str, int], int]
    tier_before: str | None
    tier_after: str | None
    grants: Sequence[Prepared] = ()

    def part(self, award: AwardDraft) -> Granted:
        """Return what the award's points were granted with."""
        if len(self.granted) == 1:
            return next(iter(self.granted.values()))
        return next(
            each
            for (code, pending), each in self.granted.items()
            if code == award.currency and pending == (award.pending or each.currency.pending)
        )

    @property
    def is_settled_first(self) -> bool:
        """Return whether its settling pays debt, which has to happen before the next fact."""
        return any(each.is_settled and each.paid_debt for each in self.granted.values())


NOTHING = Evaluation((), ())
# What one entry of the ledger can hold.
POINTS_MAX = 10**12


class TooManyPoints(DomainError):
    """The rules give more points than the ledger holds in one entry."""

    code = "too_many_points"
    status = 422
    title = "It would give more points than can be counted"
    cause = "The amounts, multiplied by the rates of the program, are beyond every sensible size."
    remedy = "Look for a mistake in the amounts, or in the rates of the program."


def asked_facts(book: Rulebook, since: datetime) -> dict[str, Any]:
    """Return what ``intake_members`` has to read for facts from ``since`` on."""
    grading_ = book.grading
    policy = grading_.grading.policy if grading_ else None
    windows = [each.before(since) for each in book.windows]
    return {
        **({"bought_since": min(windows), "digits": book.minor_digits} if windows else {}),
        "since": since,
        "months": policy.months if policy else 0,
        "grace_days": policy.grace_days if policy else 0,
        "qualifying": grading_.currency_id if grading_ else None,
        "segments": book.needs_segments,
        "history": book.needs_history,
        "standing": book.needs_standing,
    }


@dataclass(slots=True)
class CounterState:
    """The counters in memory, and what was added to them since they were read."""

    used: dict[LimitKey, Used] = field(default_factory=dict)
    added: dict[LimitKey, Used] = field(default_factory=dict)

    def add(self, used: Iterable[LimitUse]) -> None:
        """Count what was used."""
        for key, points, uses in used:
            before = self.used.get(key, Used())
            self.used[key] = Used(before.points + points, before.uses + uses)
            added = self.added.get(key, Used())
            self.added[key] = Used(added.points + points, added.uses + uses)


def purchase_facts(body: PurchaseBody, book: Rulebook) -> PurchaseFacts:
    """Return the facts of a purchase, its nets rounded to the minor unit."""
    digits = book.minor_digits
    lines = tuple(
        LineFacts(
            line_id=line.line_id,
            position=position,
            quantity=line.quantity,
            unit_price=line.unit_price,
            net=money.line_net(line.quantity, line.unit_price, line.discount, digits),
            sku=line.sku,
            name=line.name,
            category=line.category,
            brand=line.brand,
            discount=line.discount,
            tax=line.tax or Decimal(0),
            tags=tuple(line.tags),
        )
        for position, line in enumerate(body.lines, 1)
    )
    return PurchaseFacts(
        source=body.source,
        occurred_at=body.occurred_at,
        local=body.occurred_at.astimezone(book.zone),
        currency=body.currency,
        lines=lines,
        net=sum((line.net for line in lines), Decimal(0)),
        store=body.store,
        channel=body.channel,
        cashier=body.cashier,
        device=body.device,
        coupons=tuple(body.coupons),
        tenders=tuple((tender.kind, tender.amount) for tender in body.tenders),
    )


def event_facts(body: EventBody, book: Rulebook) -> EventFacts:
    """Return the facts of an event."""
    return EventFacts(
        type=body.type,
        occurred_at=body.occurred_at,
        local=body.occurred_at.astimezone(book.zone),
        payload=body.payload,
        is_occasion=body.source == triggers.SOURCE,
    )


def keys_of(
    book: Rulebook, state: MemberState, fact: PurchaseFacts | EventFacts, *, asked_only: bool
) -> list[LimitKey]:
    """Return the counters that judging the fact needs.

    With ``asked_only`` those of the rules that would give something if nothing
    were limited; else those of every rule alive at its moment.
    """
    published = book.rules_at(fact.occurred_at)
    if published is None:
        return []
    rules = published.rules_for(fact)
    limited = [rule for rule in rules if rule.is_limited and rule.is_live(fact)]
    if limited and asked_only:
        giving = _asked(published, state, fact).giving
        limited = [rule for rule in limited if rule.code in giving]
    caps = published.caps if rules else ()
    return limit_keys(limited, fact, state.public_id, caps) if limited or caps else []


def _asked(published: Published, state: MemberState, fact: PurchaseFacts | EventFacts) -> Requests:
    """Return what the rules ask for the fact, again only where the member is another by now."""
    member = state.facts_at(fact.occurred_at)
    kept = state.asked.get(id(fact))
    if kept is None or kept.member != member:
        # What is kept holds the fact, so that no other has its id meanwhile.
        kept = state.asked[id(fact)] = evaluate.ask(
            published.rules_for(fact), fact, member, stacking=published.stacking
        )
    return kept


class Unreserved(Exception):
    """A rule gives something whose counter was not read; read more and judge again."""


def judge(
    book: Rulebook,
    state: MemberState,
    fact: PurchaseFacts | EventFacts,
    counters: CounterState,
    recorded_at: datetime,
) -> Judgement:
    """Return what the fact gives the member, and bring their state forward.

    :raises Unreserved: a counter that it needs is not in ``counters``.
    :raises TooManyPoints: the rules give more than the ledger can hold.
    """
    at = fact.occurred_at
    before = grading.tier_at(state.standings, at)
    published = book.rules_at(at)
    evaluation = NOTHING
    if published is not None:
        evaluation = evaluate.grant(_asked(published, state, fact), counters.used, published.caps)
        if any(use.key not in counters.used for use in evaluation.limit_uses):
            raise Unreserved
    totals = _totals(book, evaluation)
    # Refused before anything of the member's state is moved: a batch goes on with it.
    if any(points > POINTS_MAX for points in totals.values()):
        raise TooManyPoints
    granted = {
        part: grant(
            book=book,
            owing=state,
            part=part,
            points=points,
            at=at,
            recorded_at=recorded_at,
            tier=before,
        )
        for part, points in totals.items()
    }
    counters.add(evaluation.limit_uses)
    _advance(book, state, granted, at, recorded_at)
    if isinstance(fact, PurchaseFacts):
        insort(state.history, at)
        if book.windows:
            state.bought = (*state.bought, bought_facts(fact))
    return Judgement(
        evaluation=evaluation,
        granted=granted,
        version_ids=published.version_ids if published else {},
        tier_before=before,
        tier_after=held_tier(state, at),
        grants=prepared(evaluation.grants, recorded_at=recorded_at, zone=book.zone)
        if evaluation.grants
        else (),
    )


def held_tier(state: MemberState, at: datetime) -> str | None:
    """Return the tier held from ``at`` on; before any standing the first one."""
    held = [each for each in state.standings if each.starts_at <= at] or state.standings[:1]
    return held[-1].tier if held else None


def _totals(book: Rulebook, evaluation: Evaluation) -> dict[Part, int]:
    """Return the points by currency and by how they wait; what is equal in both is one lot."""
    totals: dict[Part, int] = {}
    for award in evaluation.awards:
        pending = award.pending or book.currencies[award.currency].pending
        part = (award.currency, pending)
        totals[part] = totals.get(part, 0) + award.points
    return totals


def _advance(
    book: Rulebook,
    state: MemberState,
    granted: Mapping[Part, Granted],
    at: datetime,
    recorded_at: datetime,
) -> None:
    if book.grading is None or not state.standings:
        return
    gained = sum(
        each.points for each in granted.values() if each.currency.id == book.grading.currency_id
    )
    if not gained:
        return
    gain = grading.Gain(at, gained)
    state.gains.add(gain)
    if state.gains.move_nobody(book.grading.grading, state.standings, gain):
        return
    regraded = grading.regrade(
        book.grading.grading, state.standings, state.gains.read, at, max(at, recorded_at)
    )
    state.standings = splice(state.standings, regraded)
