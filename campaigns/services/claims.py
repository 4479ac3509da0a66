"""Give an unidentified purchase to the member who made it, once."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from django.db import transaction

from campaigns import presenters
from campaigns.bodies import ClaimBody
from campaigns.earning.facts import LineFacts, PurchaseFacts
from campaigns.queries import returning, rulebook
from campaigns.queries.returning import BoughtLine
from campaigns.queries.rulebook import Rulebook
from campaigns.services import counters, judging
from campaigns.services.checks import lock_business_key
from campaigns.services.judging import CounterState, MemberState
from campaigns.services.keys import Key, Outcome, begin, keep
from campaigns.services.opening import settled_state
from campaigns.services.posting import Document, write
from campaigns.services.records import evaluation_record
from campaigns.services.releasing import release_known
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.retries import retrying
from members.models import Member, Purchase
from members.queries.lookup import resolve_member
from members.queries.program import current_program

# The reason code of what was earned by a claim.
RETRO = "retro"


class AlreadyClaimed(DomainError):
    """The purchase belongs to a member."""

    code = "already_claimed"
    title = "The purchase belongs to a member already"
    cause = "It was identified at the till, or somebody claimed it before."
    remedy = "Nothing can be done by a claim; staff can look into it."


class ClaimTooLate(DomainError):
    """The days within which the purchase could be claimed are over."""

    code = "claim_too_late"
    title = "The purchase can no longer be claimed"
    cause = "The program gives a limited number of days after the purchase."
    remedy = "Claim the next one in time; `GET /program` names the days."


def process_claim(
    *,
    public_id: UUID,
    body: ClaimBody,
    actor: str,
    moment: datetime,
    key: Key,
    currency: str | None = None,
) -> Outcome:
    """Give the purchase to the member and post what the rules of its moment give.

    What came back already earns nothing. A purchase from before its member
    enrolled is claimed in the same way by that member.

    :raises NotFound: there is no such purchase.
    :raises UnknownMember: the member reference leads to nobody.
    :raises AlreadyClaimed: it belongs to a member.
    :raises ClaimTooLate: the days are over.
    """
    code = rulebook.spoken_currency(currency)

    def act() -> Outcome:
        with transaction.atomic():
            kept = begin(key)
            if kept is not None:
                return kept
            outcome, member_pk = _claim(public_id, body, actor, moment, code)
            keep(key, outcome, member_pk, moment)
            return outcome

    return retrying(act)


def _claim(
    public_id: UUID, body: ClaimBody, actor: str, moment: datetime, currency: str
) -> tuple[Outcome, int]:
    # Whether there is such a purchase is answered before who is meant.
    _locked_purchase(public_id)
    claimant = resolve_member(
        program=current_program(),
        moment=moment,
        id=body.member.id,
        identifier=body.member.identifier,
    )
    outcome = claim_for(
        public_id=public_id,
        claimant=claimant,
        actor=actor,
        moment=moment,
        days=rulebook.latest().claim_days,
        currency=currency,
    )
    return outcome, claimant.pk


def claim_for(
    *,
    public_id: UUID,
    claimant: Member,
    actor: str,
    moment: datetime,
    days: int | None,
    currency: str | None = None,
) -> Outcome:
    """Give the purchase to the claimant within ``days`` of it, None for any time; once.

    Runs in the caller's transaction, and takes the purchase's key before the member.

    :raises NotFound: there is no such purchase.
    :raises AlreadyClaimed: it belongs to a member.
    :raises ClaimTooLate: the days are over.
    """
    purchase = _locked_purchase(public_id)
    book = rulebook.latest()
    if purchase.claimed_at is not None or not _is_free(purchase, claimant):
        raise AlreadyClaimed
    if days is not None:
        last_day = calendars.local_day(purchase.occurred_at, book.zone) + timedelta(days=days)
        if moment >= calendars.end_of_day(last_day, book.zone):
            raise ClaimTooLate(claim_days=days)
    state = settled_state(book, claimant.pk, purchase.occurred_at, moment)
    facts = _facts(book, purchase)
    used = counters.reserve(book, judging.keys_of(book, state, facts, asked_only=True))
    judgement = judging.judge(book, state, facts, used, moment)
    _post(book, purchase, state, judgement, used, actor, moment)
    purchase = Purchase.objects.select_related("member").get(pk=purchase.pk)
    spoken = currency or rulebook.spoken_currency(None)
    return Outcome(200, presenters.current(purchase, _returned(purchase), spoken))


def key_of(public_id: UUID) -> int:
    """Return the row of a purchase that exists."""
    return Purchase.objects.values_list("pk", flat=True).get(public_id=public_id)


def _locked_purchase(public_id: UUID) -> Purchase:
    names = Purchase.objects.filter(public_id=public_id).values_list("source", "external_id")
    name = names.first()
    if name is None:
        raise NotFound
    lock_business_key("purchase", *name)
    # Read again under the key: another claim may have committed meanwhile.
    return Purchase.objects.select_related("member").get(public_id=public_id)


def _is_free(purchase: Purchase, claimant: Member) -> bool:
    if purchase.member_id is None:
        return True
    return purchase.member_id == claimant.pk and purchase.occurred_at < claimant.enrolled_at


def _facts(book: Rulebook, purchase: Purchase) -> PurchaseFacts:
    lines = tuple(_line_facts(line, book.minor_digits) for line in returning.bought_lines(purchase))
    return PurchaseFacts(
        source=purchase.source,
        occurred_at=purchase.occurred_at,
        local=purchase.occurred_at.astimezone(book.zone),
        currency=purchase.currency,
        lines=lines,
        net=sum((line.net for line in lines), Decimal(0)),
        store=purchase.store or None,
        channel=purchase.channel or None,
        cashier=purchase.cashier or None,
        device=purchase.device or None,
        coupons=tuple(purchase.coupons),
        tenders=tuple((each["kind"], Decimal(each["amount"])) for each in purchase.tenders),
    )


def _line_facts(line: BoughtLine, digits: int) -> LineFacts:
    row = line.row
    share = row.net * line.left / line.bought
    return LineFacts(
        line_id=row.line_id,
        position=row.position,
        quantity=line.left,
        unit_price=row.unit_price,
        net=share.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP),
        sku=row.sku or None,
        name=row.name or None,
        category=row.category or None,
        brand=row.brand or None,
        discount=row.discount,
        tax=row.tax or Decimal(0),
        tags=tuple(row.tags),
    )


def _post(
    book: Rulebook,
    purchase: Purchase,
    state: MemberState,
    judgement: judging.Judgement,
    used: CounterState,
    actor: str,
    moment: datetime,
) -> None:
    document = Document(book, moment)
    document.add_awards(
        judgement=judgement,
        member=state,
        occurred_at=purchase.occurred_at,
        source="purchase",
        ref=purchase.public_id,
        actor=actor,
    )
    for header in document.headers:
        # Told apart in the books for ever: given afterwards, by the rules of its moment.
        header["reason"] = RETRO
    document.renew(state, "purchase", purchase.occurred_at)
    first_member = None if purchase.member is None else str(purchase.member.public_id)
    document.claim = {
        "purchase": purchase.pk,
        "member": state.id,
        "evaluation": {
            **evaluation_record(judgement),
            # A repeat of the purchase is told what it was told the first time.
            "first": {"member": first_member, "evaluation": purchase.evaluation},
        },
    }
    write(document, used, {state.id: state})
    release_known(waiting=document.waiting, recorded_at=moment)


def _returned(purchase: Purchase) -> dict[int, Decimal]:
    return {line.row.pk: line.returned for line in returning.bought_lines(purchase)}
