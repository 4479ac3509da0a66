"""Take goods back: the mirror of what their purchase gave, never a recomputation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import uuid4

from django.db import connection, transaction

from campaigns.api.bodies import ReturnBody, content_key
from campaigns.models import Award, AwardReversal
from campaigns.queries import returning, rulebook
from campaigns.queries.returning import BoughtLine
from campaigns.queries.rulebook import Currency, Rulebook
from campaigns.services.clawback import Clawback, claw_back
from campaigns.services.intake import (
    Key,
    Outcome,
    begin,
    check_occurred_at,
    keep_answer,
    point_currency,
)
from loyalty_site.lib import problems
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.retries import retrying
from loyalty_site.lib.wire import dumps
from members import lots
from members.models import LedgerTransaction, Purchase, Return, ReturnLine
from members.services.outbox import record

FIGURES = ("from_pending", "from_available", "already_expired", "to_debt", "forgiven")


class ReturnConflict(DomainError):
    """The till's name for the return belongs to another one."""

    code = "return_conflict"
    title = "Another return has this source and external_id"
    cause = "A return is named once and for ever; this name came with other content before."
    remedy = "Send the first content again, or give the new return a name of its own."


class ReturnExceedsPurchase(DomainError):
    """More is to come back than was bought and has not come back yet."""

    code = "return_exceeds_purchase"
    status = 422
    title = "More is returned than is left of the purchase"
    cause = "A line is unknown, nothing is left of it, or less is left than is to come back."
    remedy = "Read the purchase: its lines say what was bought and what came back."


class Part(NamedTuple):
    """How much of a line comes back."""

    line: BoughtLine
    quantity: Decimal


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
    code = point_currency(rulebook.current(), currency)

    def act() -> Outcome:
        with transaction.atomic():
            if dry_run:
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION READ ONLY")
                return _decide(body, actor, moment, code, dry_run=True)
            kept = begin(key) if key else None
            if kept is not None:
                return kept
            _lock(body)
            outcome = _decide(body, actor, moment, code, dry_run=False)
            if key is not None:
                keep_answer(key, outcome, None, moment)
            return outcome

    return retrying(act)


def _lock(body: ReturnBody) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lock_business_key('return', %s::text, %s::text)", [body.source, body.external_id]
        )
        # The purchase takes the same key, so that one of the two always sees the other.
        cursor.execute(
            "SELECT lock_business_key('purchase', %s::text, %s::text)",
            [body.purchase.source, body.purchase.external_id],
        )


def _decide(
    body: ReturnBody, actor: str, moment: datetime, currency: str, *, dry_run: bool
) -> Outcome:
    book = rulebook.current()
    stored = Return.objects.filter(source=body.source, external_id=body.external_id).first()
    if stored is not None:
        if bytes(stored.content_key) != content_key(body):
            raise ReturnConflict
        return Outcome(200, present(stored, currency, dry_run=dry_run), replayed=True)
    check_occurred_at(body.occurred_at, moment)
    purchase = (
        Purchase.objects.filter(
            source=body.purchase.source, external_id=body.purchase.external_id
        )
        .select_related("member")
        .first()
    )
    goods_return = Return(
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
        if body.lines is None
        else [{"line_id": line.line_id, "quantity": str(line.quantity)} for line in body.lines],
    )
    if purchase is None:
        if not dry_run:
            goods_return.save(force_insert=True)
        return Outcome(200 if dry_run else 202, present(goods_return, currency, dry_run=dry_run))
    if not dry_run:
        # Written first, so that its lines and reversals have something to hang on.
        goods_return.save(force_insert=True)
    _apply(book, goods_return, purchase, actor, moment, dry_run=dry_run)
    return Outcome(200 if dry_run else 201, present(goods_return, currency, dry_run=dry_run))


def apply_parked(*, source: str, external_id: str, moment: datetime, actor: str) -> int:
    """Apply the returns that were waiting for a purchase; return how many were settled.

    Runs in the transaction that holds the purchase's business key. One that can
    not be applied is rejected with its reason, and stops no other.
    """
    book = rulebook.current()
    purchase = (
        Purchase.objects.filter(source=source, external_id=external_id)
        .select_related("member")
        .first()
    )
    if purchase is None:
        return 0
    waiting = list(
        Return.objects.filter(
            purchase_source=source, purchase_external_id=external_id, state=Return.State.PARKED
        ).order_by("recorded_at", "pk")
    )
    for goods_return in waiting:
        try:
            with transaction.atomic():
                _apply(book, goods_return, purchase, actor, moment, dry_run=False)
        except DomainError as refusal:
            goods_return.state = Return.State.REJECTED
            goods_return.problem = problems.document(refusal, None)
            goods_return.save(update_fields=["state", "problem"])
        purchase.refresh_from_db()
    return len(waiting)


def retry_parked(*, moment: datetime, limit: int = 500) -> int:
    """Apply parked returns whose purchase is there; return how many were settled.

    A purchase applies its returns itself when it arrives, so that there is work
    only where a crash or a bug left some. Each purchase is a transaction of its own.
    """
    waiting = (
        Return.objects.filter(state=Return.State.PARKED)
        .order_by("recorded_at", "pk")
        .values_list("purchase_source", "purchase_external_id")[:limit]
    )
    settled = 0
    for source, external_id in dict.fromkeys(waiting):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT lock_business_key('purchase', %s::text, %s::text)",
                    [source, external_id],
                )
            settled += apply_parked(
                source=source, external_id=external_id, moment=moment, actor="job:returns"
            )
    return settled


# Applying ------------------------------------------------------------------------------------


def _apply(
    book: Rulebook,
    goods_return: Return,
    purchase: Purchase,
    actor: str,
    moment: datetime,
    *,
    dry_run: bool,
) -> None:
    if purchase.member_id is not None and not dry_run:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT ledger_settle_due(ARRAY[%s]::bigint[], %s, %s, 'intake')",
                [purchase.member_id, moment, moment],
            )
    lines = returning.bought_lines(purchase)
    parts = _parts(goods_return, lines)
    occurred_at = max(goods_return.occurred_at, purchase.occurred_at)
    goods_return.applied_at = moment
    reversals = _reversals(purchase, lines, parts)
    taken = _take_back(book, goods_return, purchase, reversals, actor, occurred_at, dry_run)
    goods_return.purchase = purchase
    goods_return.state = Return.State.APPLIED
    goods_return.points = {
        "by_currency": {
            code: {name: getattr(figures, name) for name in FIGURES}
            for code, figures in taken.items()
        }
    }
    if dry_run:
        return
    goods_return.save(update_fields=["purchase", "state", "applied_at", "points"])
    ReturnLine.objects.bulk_create(
        ReturnLine(
            goods_return=goods_return, purchase_line=part.line.row, quantity=part.quantity
        )
        for part in parts
    )
    AwardReversal.objects.bulk_create(
        AwardReversal(award=award, goods_return=goods_return, points=points)
        for award, points in reversals
        if points
    )
    _release_limits(book, reversals)
    _mark(purchase, lines, parts)
    if purchase.member_id is not None:
        record(
            program_id=book.program_id,
            kind="return_applied",
            member_id=purchase.member_id,
            payload={"return": str(goods_return.public_id), "points": _spoken(goods_return, book)},
            moment=moment,
        )


def _spoken(goods_return: Return, book: Rulebook) -> int:
    figures = goods_return.points["by_currency"].get(book.points_code)
    return sum(figures.values()) if figures else 0


def _parts(goods_return: Return, lines: Sequence[BoughtLine]) -> list[Part]:
    if goods_return.requested_lines is None:
        parts = [Part(line, line.left) for line in lines if line.left > 0]
    else:
        by_id = {line.row.line_id: line for line in lines}
        parts = []
        for asked in goods_return.requested_lines:
            line = by_id.get(asked["line_id"])
            if line is None:
                raise ReturnExceedsPurchase(
                    f"The purchase has no line {asked['line_id']}.", line_id=asked["line_id"]
                )
            parts.append(Part(line, Decimal(asked["quantity"])))
            if parts[-1].quantity > line.left:
                raise ReturnExceedsPurchase(
                    f"Of line {asked['line_id']} {line.left.normalize():f} are left.",
                    line_id=asked["line_id"],
                    left=f"{line.left.normalize():f}",
                )
    if not parts:
        raise ReturnExceedsPurchase("Nothing is left of the purchase.")
    return parts


def _reversals(
    purchase: Purchase, lines: Sequence[BoughtLine], parts: Sequence[Part]
) -> list[tuple[Award, int]]:
    """Return what each award loses, by the attribution frozen when it was given."""
    if purchase.member_id is None:
        return []
    places = {line.row.pk: place for place, line in enumerate(lines)}
    result = []
    for award in returning.awards_of(purchase):
        points = 0
        for line, quantity in parts:
            attributed = award.attribution[places[line.row.pk]] if award.attribution else 0
            bought = line.bought - line.claimed_returned
            if attributed and bought > 0:
                before = line.returned - line.claimed_returned
                points += lots.taken_back(attributed, bought, before, quantity)
        result.append((award, points))
    return result


def _take_back(
    book: Rulebook,
    goods_return: Return,
    purchase: Purchase,
    reversals: Sequence[tuple[Award, int]],
    actor: str,
    occurred_at: datetime,
    dry_run: bool,
) -> dict[str, Clawback]:
    if purchase.member_id is None:
        return {}
    accounts = returning.accounts_of(purchase.member_id)
    counted = returning.expired_counted(purchase)
    by_code = {each.id: each for each in book.currencies.values()}
    totals: dict[int, int] = {}
    for award, points in reversals:
        totals[award.transaction_id or 0] = totals.get(award.transaction_id or 0, 0) + points
    taken: dict[str, Clawback] = {}
    for award, _ in reversals:
        currency = by_code[award.currency_id]
        points = totals.get(award.transaction_id or 0, 0)
        if currency.code in taken or not points or award.transaction_id is None:
            continue
        plan = _plan(currency, points, award.transaction_id, accounts, counted)
        taken[currency.code] = plan
        if plan.posted and not dry_run:
            _post(book, goods_return, purchase, currency, award.transaction_id, plan, accounts,
                  actor, occurred_at)
    return taken


def _plan(
    currency: Currency,
    points: int,
    transaction_id: int,
    accounts: Any,
    counted: Any,
) -> Clawback:
    if not currency.is_redeemable:
        return Clawback(from_available=points)
    own = returning.own_lots(transaction_id)
    available = accounts[currency.id, "available"][0]
    _, balance, floor = accounts[currency.id, "debt"]
    return claw_back(
        points,
        own=own.open,
        others=returning.other_lots(available, points, own.open),
        expired=max(own.expired - counted.get(currency.code, 0), 0),
        policy=currency.returns_policy,
        debt_room=balance - floor,
    )


def _post(
    book: Rulebook,
    goods_return: Return,
    purchase: Purchase,
    currency: Currency,
    transaction_id: int,
    plan: Clawback,
    accounts: Any,
    actor: str,
    occurred_at: datetime,
) -> None:
    entries = [
        {"h": 0, "account": accounts[currency.id, kind][0], "points": -points}
        for kind, points in (
            ("pending", plan.from_pending),
            ("available", plan.from_available),
            ("debt", plan.to_debt),
        )
        if points
    ]
    entries.append({"h": 0, "account": currency.issued_account, "points": plan.posted})
    # A debit is dated after every point that it takes, so that no balance of the past is
    # negative.
    dated = max([occurred_at, *(take.earned_at for take in plan.takes)])
    document = {
        "headers": [
            {
                "member": purchase.member_id,
                "currency": currency.id,
                "type": LedgerTransaction.Type.CLAWBACK,
                "source": "return",
                "ref": goods_return.public_id,
                "actor": actor,
                "occurred_at": dated,
                "reverses": transaction_id,
            }
        ],
        "lots": [],
        "uses": [
            {"h": 0, "lot": take.lot, "points": take.points, "kind": "clawback"}
            for take in plan.takes
        ],
        "entries": entries,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_post(%s::bigint, %s::timestamptz, %s::jsonb)",
            [book.program_id, goods_return.applied_at, dumps(document).decode()],
        )


def _release_limits(book: Rulebook, reversals: Sequence[tuple[Award, int]]) -> None:
    released = []
    for award, points in reversals:
        is_gone = award.taken_back + points == award.points
        for use in award.limit_uses:
            back = {**use, "points": -points if use["points"] else 0, "uses": 0}
            if is_gone and points:
                back["uses"] = -use["uses"]
            if back["points"] or back["uses"]:
                released.append(back)
    if released:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT limits_add(%s::bigint, %s::jsonb)",
                [book.program_id, dumps(released).decode()],
            )


def _mark(purchase: Purchase, lines: Sequence[BoughtLine], parts: Sequence[Part]) -> None:
    back = {part.line.row.pk: part.quantity for part in parts}
    whole = all(line.left == back.get(line.row.pk, Decimal(0)) for line in lines)
    purchase.state = Purchase.State.RETURNED if whole else Purchase.State.PARTIALLY_RETURNED
    purchase.save(update_fields=["state"])


def present(goods_return: Return, currency: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Return the answer about a return, its figures in one point currency."""
    body: dict[str, Any] = {
        "id": None if dry_run and goods_return.pk is None else str(goods_return.public_id),
        "source": goods_return.source,
        "external_id": goods_return.external_id,
        "purchase": None,
        "state": str(goods_return.state),
        "occurred_at": goods_return.occurred_at,
    }
    if goods_return.purchase is not None:
        body["purchase"] = str(goods_return.purchase.public_id)
    if goods_return.state == Return.State.APPLIED:
        found = goods_return.points.get("by_currency", {}).get(currency)
        figures = {name: found[name] if found else 0 for name in FIGURES}
        body["points"] = {"clawed_back": sum(figures.values()), **figures, "given_back": 0}
    if goods_return.state == Return.State.REJECTED:
        body["problem"] = goods_return.problem
    if dry_run:
        body["dry_run"] = True
    return body
