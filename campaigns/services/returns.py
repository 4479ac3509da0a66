"""Take goods back: the mirror of what their purchase gave, never a recomputation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from campaigns.bodies import ReturnBody, content_key
from campaigns.queries import rulebook
from campaigns.queries.rulebook import Rulebook
from campaigns.services import takeback
from campaigns.services.checks import check_occurred_at, lock_business_key, read_only
from campaigns.services.keys import Key, Outcome, begin, keep
from campaigns.services.takeback import FIGURES
from loyalty_site.lib import problems
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.retries import retrying
from members.models import Purchase, Return


class ReturnConflict(DomainError):
    """The till's name for the return belongs to another one."""

    code = "return_conflict"
    title = "Another return has this source and external_id"
    cause = "A return is named once and for ever; this name came with other content before."
    remedy = "Send the first content again, or give the new return a name of its own."


def process_return(
    *,
    body: ReturnBody,
    actor: str,
    moment: datetime,
    key: Key | None = None,
    currency: str | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Take goods back and answer what was taken back of their points.

    A return that comes before its purchase is parked and applied when that
    arrives. The same content under the same business key answers the first
    result for ever.

    :raises ReturnConflict: the business key belongs to other content.
    :raises ReturnExceedsPurchase: more comes back than is left.
    :raises InTheFuture: it is dated more than 5 minutes ahead.
    """
    code = rulebook.spoken_currency(currency)

    def rehearse() -> Outcome:
        with transaction.atomic():
            read_only()
            return _process(body, actor, moment, code, dry_run=True)

    def act() -> Outcome:
        with transaction.atomic():
            kept = begin(key) if key else None
            if kept is not None:
                return kept
            lock_business_key("return", body.source, body.external_id)
            # The purchase takes the same key, so that one of the two always sees the other.
            lock_business_key("purchase", body.purchase.source, body.purchase.external_id)
            outcome = _process(body, actor, moment, code, dry_run=False)
            if key is not None:
                keep(key, outcome, None, moment)
            return outcome

    return retrying(rehearse if dry_run else act)


def _process(
    body: ReturnBody, actor: str, moment: datetime, currency: str, *, dry_run: bool
) -> Outcome:
    stored = (
        Return.objects.select_related("purchase")
        .filter(source=body.source, external_id=body.external_id)
        .first()
    )
    if stored is not None:
        if bytes(stored.content_key) != content_key(body):
            raise ReturnConflict
        return Outcome(200, _marked(present(stored, currency), dry_run), replayed=True)
    check_occurred_at(body.occurred_at, moment)
    book = rulebook.latest()
    goods_return = _new(book, body, moment)
    purchase = (
        Purchase.objects.select_related("member")
        .filter(source=body.purchase.source, external_id=body.purchase.external_id)
        .first()
    )
    if not dry_run:
        # Written first, so that its lines and reversals have something to hang on.
        goods_return.save(force_insert=True)
    if purchase is not None:
        _apply(book, goods_return, purchase, actor, moment, dry_run=dry_run)
    answer = present(goods_return, currency)
    if dry_run:
        return Outcome(200, _marked({**answer, "id": None}, dry_run))
    return Outcome(202 if purchase is None else 201, answer)


def _marked(answer: dict[str, Any], dry_run: bool) -> dict[str, Any]:
    return {**answer, "dry_run": True} if dry_run else answer


def _new(book: Rulebook, body: ReturnBody, moment: datetime) -> Return:
    lines = body.lines
    return Return(
        public_id=uuid4(),
        program_id=book.program_id,
        source=body.source,
        external_id=body.external_id,
        content_key=content_key(body),
        purchase_source=body.purchase.source,
        purchase_external_id=body.purchase.external_id,
        occurred_at=body.occurred_at,
        recorded_at=moment,
        state=Return.State.PARKED,
        requested_lines=None
        if lines is None
        else [{"line_id": line.line_id, "quantity": str(line.quantity)} for line in lines],
    )


def _apply(
    book: Rulebook,
    goods_return: Return,
    purchase: Purchase,
    actor: str,
    moment: datetime,
    *,
    dry_run: bool = False,
) -> None:
    if not dry_run:
        takeback.settle(purchase, moment)
    decision = takeback.decide(book, purchase, goods_return.requested_lines)
    if decision.given and not dry_run:
        decision = takeback.after_giving_back(book, goods_return, decision, actor, moment)
    goods_return.purchase = purchase
    goods_return.state = Return.State.APPLIED
    # Not before a claim that it found made, also where a clock or a wait says otherwise.
    goods_return.applied_at = max(moment, purchase.claimed_at or moment)
    goods_return.points = {"by_currency": decision.figures}
    if decision.given:
        goods_return.points["given_back"] = {book.points_code: decision.given_back}
    if not dry_run:
        takeback.post(book, goods_return, decision, actor, moment)


def apply_parked(*, book: Rulebook, purchase: UUID, moment: datetime, actor: str) -> int:
    """Apply the returns that were waiting for a purchase; return how many were settled.

    Runs in the transaction that holds the purchase's business key. One that can
    not be applied is rejected with its reason, and stops no other.
    """
    bought = Purchase.objects.select_related("member").get(public_id=purchase)
    waiting = _waiting_for(bought.source, bought.external_id)
    for goods_return in waiting:
        try:
            with transaction.atomic():
                _apply(book, goods_return, bought, actor, moment)
        except DomainError as refusal:
            goods_return.purchase = None
            goods_return.state = Return.State.REJECTED
            goods_return.problem = problems.document(refusal, None)
            goods_return.save(update_fields=["state", "problem"])
    return len(waiting)


def _waiting_for(source: str, external_id: str) -> Sequence[Return]:
    return list(
        Return.objects.filter(
            purchase_source=source, purchase_external_id=external_id, state=Return.State.PARKED
        ).order_by("recorded_at", "pk")
    )


def retry_parked(*, moment: datetime, limit: int = 500) -> int:
    """Apply parked returns whose purchase is there; return how many were settled.

    A purchase applies its returns itself when it arrives, so that there is work
    only where a crash or a bug left some. Each purchase is a transaction of its own.
    """
    names = Return.objects.filter(state=Return.State.PARKED).values("purchase_external_id")
    arrived = Purchase.objects.filter(external_id__in=names).values_list(
        "source", "external_id", "public_id"
    )
    settled = 0
    for source, external_id, public_id in arrived.order_by("pk")[:limit]:
        with transaction.atomic():
            lock_business_key("purchase", source, external_id)
            settled += apply_parked(
                book=rulebook.latest(), purchase=public_id, moment=moment, actor="job:returns"
            )
    return settled


def present(goods_return: Return, currency: str) -> dict[str, Any]:
    """Return the answer about a return, its figures in one point currency."""
    purchase = goods_return.purchase
    body: dict[str, Any] = {
        "id": str(goods_return.public_id),
        "source": goods_return.source,
        "external_id": goods_return.external_id,
        "purchase": str(purchase.public_id) if purchase else None,
        "state": str(goods_return.state),
        "occurred_at": goods_return.occurred_at,
    }
    if goods_return.state == Return.State.APPLIED:
        figures = dict.fromkeys(FIGURES, 0)
        figures.update(goods_return.points.get("by_currency", {}).get(currency, {}))
        given_back = goods_return.points.get("given_back", {}).get(currency, 0)
        body["points"] = {
            "clawed_back": sum(figures.values()),
            **figures,
            "given_back": given_back,
        }
    if goods_return.state == Return.State.REJECTED:
        body["problem"] = goods_return.problem
    return body
