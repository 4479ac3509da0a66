"""Give an unidentified purchase to the member who made it, once."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from campaigns import presenters
from campaigns.api.bodies import ClaimBody
from campaigns.earning.facts import LineFacts, PurchaseFacts
from campaigns.queries import returning, rulebook
from campaigns.queries.returning import BoughtLine
from campaigns.queries.rulebook import Rulebook
from campaigns.services import intake, judging
from campaigns.services.intake import Key, Outcome
from campaigns.services.judging import MemberState
from campaigns.services.posting import Document, evaluation_record
from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.reading import MemberRef
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.wire import dumps
from members.models import Member, Purchase
from members.queries.lookup import UnknownMember, find_member
from members.queries.program import current_program


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
    code = intake.point_currency(rulebook.current(), currency)

    def act() -> Outcome:
        with transaction.atomic():
            kept = intake.begin(key)
            if kept is not None:
                return kept
            outcome, member_pk = _claim(public_id, body, actor, moment, code)
            intake.keep_answer(key, outcome, member_pk, moment)
            return outcome

    return retrying(act)


def _claim(
    public_id: UUID, body: ClaimBody, actor: str, moment: datetime, currency: str
) -> tuple[Outcome, int]:
    purchase = _locked_purchase(public_id)
    book = rulebook.current()
    claimant = claimant_of(body.member, moment)
    if purchase.claimed_at is not None or not _is_free(purchase, claimant):
        raise AlreadyClaimed
    last_day = calendars.local_day(purchase.occurred_at, book.zone) + timedelta(
        days=book.claim_days
    )
    if moment >= calendars.end_of_day(last_day, book.zone):
        raise ClaimTooLate(claim_days=book.claim_days)
    state = read_state(book, claimant, purchase.occurred_at, moment)
    facts = _facts(book, purchase)
    counters = intake.reserve(
        book, judging.keys_of(book, state, facts, asked_only=True), dry_run=False
    )
    judgement = judging.judge(book, state, facts, counters, moment)
    _post(book, purchase, state, judgement, counters, actor, moment)
    purchase = Purchase.objects.select_related("member").get(pk=purchase.pk)
    answer = presenters.current(purchase, _returned(purchase), currency)
    return Outcome(200, answer), claimant.pk


def _locked_purchase(public_id: UUID) -> Purchase:
    found = Purchase.objects.filter(public_id=public_id).values_list("source", "external_id")
    for source, external_id in found:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT lock_business_key('purchase', %s::text, %s::text)", [source, external_id]
            )
        # Read again under the key: another claim may have committed meanwhile.
        return Purchase.objects.get(public_id=public_id)
    raise NotFound


def _is_free(purchase: Purchase, claimant: Member) -> bool:
    if purchase.member_id is None:
        return True
    return purchase.member_id == claimant.pk and purchase.occurred_at < claimant.enrolled_at


def claimant_of(reference: MemberRef, moment: datetime) -> Member:
    """Return whom a reference names.

    :raises UnknownMember: it leads to nobody.
    """
    if reference.id is not None:
        member = (
            Member.objects.filter(public_id=reference.id)
            .exclude(status=Member.Status.ERASED)
            .first()
        )
    else:
        member = find_member(current_program(), reference.identifier or "", moment)
    if member is None:
        raise UnknownMember
    return member


def read_state(
    book: Rulebook, member: Member, since: datetime, moment: datetime, *, settle: bool = True
) -> MemberState:
    """Lock the member, post what is due, and return their facts; unlocked without ``settle``."""
    grading = book.grading
    facts: dict[str, Any] = {
        "since": since,
        "months": grading.grading.policy.months if grading else 0,
        "qualifying": grading.currency_id if grading else None,
        "segments": book.needs_segments,
        "history": book.needs_history,
    }
    with connection.cursor() as cursor:
        if settle:
            cursor.execute(
                "SELECT ledger_settle_due(ARRAY[%s]::bigint[], %s, %s, 'intake')",
                [member.pk, moment, moment],
            )
        cursor.execute(
            "SELECT intake_members(ARRAY[%s]::bigint[], %s::jsonb)",
            [member.pk, dumps(facts).decode()],
        )
        rows = orjson.loads(cursor.fetchone()[0])
    return judging.member_state(member.pk, rows[str(member.pk)], book, moment)


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
    counters: judging.Ledger,
    actor: str,
    moment: datetime,
) -> None:
    document = Document(book, moment, actor)
    document.add_awards(
        judgement=judgement,
        member=state,
        occurred_at=purchase.occurred_at,
        source="purchase",
        ref=purchase.public_id,
    )
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
    intake.tell_of(document, judgement, state, purchase.public_id)
    intake.write(
        document, counters, {state.id: state}, key=None, answer=None, member_pk=state.id
    )


def _returned(purchase: Purchase) -> dict[int, Decimal]:
    return {line.row.pk: line.returned for line in returning.bought_lines(purchase)}
