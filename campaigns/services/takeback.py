"""Apply a return to its purchase: lines, what their awards lose, and where that comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from campaigns.clawback import Clawback, OpenLot, claw_back
from campaigns.earning.results import used_back
from campaigns.models import Award, AwardReversal
from campaigns.queries import returning
from campaigns.queries.returning import BoughtLine, Part, is_whole
from campaigns.queries.rulebook import Currency, Rulebook
from campaigns.services import counters, giving, paidback
from campaigns.services.recalling import recalled
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.wire import dumps
from members import lots
from members.models import LedgerTransaction, Purchase, Return, ReturnLine
from members.queries import pools
from members.services import ledger, merged_rows, tiers
from members.services.outbox import record
from rewards.models import PointsTender

FIGURES = ("from_pending", "from_available", "already_expired", "to_debt", "forgiven")


class ReturnExceedsPurchase(DomainError):
    """More is to come back than was bought and has not come back yet."""

    code = "return_exceeds_purchase"
    status = 422
    title = "More is returned than is left of the purchase"
    cause = "A line is unknown, nothing is left of it, or less is left than is to come back."
    remedy = "Read the purchase: its lines say what was bought and what came back."


@dataclass(frozen=True, slots=True)
class Loss:
    """What one ledger transaction of the purchase loses, and where that comes from."""

    currency: Currency
    transaction_id: int
    plan: Clawback


@dataclass(frozen=True, slots=True)
class Decision:
    """What a return will do, decided under the member's lock.

    ``given`` are the points that had paid for what comes back.
    """

    purchase: Purchase
    lines: Sequence[BoughtLine]
    parts: Sequence[Part]
    reversals: Sequence[tuple[Award, int]]
    given: Sequence[tuple[PointsTender, int]]
    losses: Sequence[Loss]

    @property
    def figures(self) -> dict[str, dict[str, int]]:
        """Return what was taken back by currency, as it is kept with the return."""
        return {
            loss.currency.code: {name: getattr(loss.plan, name) for name in FIGURES}
            for loss in self.losses
        }

    @property
    def given_back(self) -> int:
        """Return how many points that had paid for it go back, in the currency of rewards."""
        return sum(points for _, points in self.given)

    @property
    def left(self) -> dict[str, bool]:
        """Return of every line whether anything of it stays with the member."""
        back = {part.line.row.pk: part.quantity for part in self.parts}
        return {
            line.row.line_id: line.left > back.get(line.row.pk, Decimal(0)) for line in self.lines
        }

    @property
    def is_whole(self) -> bool:
        """Return whether nothing of the purchase is left."""
        return is_whole(self.lines, self.parts)


def settle(purchase: Purchase, moment: datetime) -> None:
    """Lock the purchase's member, if there is one, and post what is due on their account.

    The points may be in a pool, and what the pool bought may have paid for the goods.
    """
    if purchase.member is None:
        return
    rows = merged_rows.together(purchase.member)
    ledger.settle_due(
        member_ids=[*rows, *pools.holders_around(rows)],
        moment=moment,
        recorded_at=moment,
        actor="intake",
    )


# Deciding ------------------------------------------------------------------------------------


def decide(
    book: Rulebook, purchase: Purchase, requested: Sequence[Mapping[str, Any]] | None
) -> Decision:
    """Return what bringing the lines back will take; ``requested`` None is all that is left.

    :raises ReturnExceedsPurchase: more comes back than is left.
    """
    lines = returning.bought_lines(purchase)
    parts = _parts(lines, requested)
    reversals = _reversals(purchase, lines, parts)
    given = paidback.given(purchase, lines, parts)
    # What a pool paid goes back to the pool, and is not there to be taken.
    back = sum(points for tender, points in given if tender.redemption.payer_id is None)
    losses = _losses(book, purchase, reversals, given_back=back)
    return Decision(purchase, lines, parts, reversals, given, losses)


def _parts(
    lines: Sequence[BoughtLine], requested: Sequence[Mapping[str, Any]] | None
) -> list[Part]:
    if requested is None:
        parts = [Part(line, line.left) for line in lines if line.left > 0]
    else:
        by_id = {line.row.line_id: line for line in lines}
        parts = [_part(by_id, asked["line_id"], Decimal(asked["quantity"])) for asked in requested]
    if not parts:
        raise ReturnExceedsPurchase("Nothing is left of the purchase.")
    return parts


def _part(lines: Mapping[str, BoughtLine], line_id: str, quantity: Decimal) -> Part:
    line = lines.get(line_id)
    if line is None:
        raise ReturnExceedsPurchase(f"The purchase has no line {line_id}.", line_id=line_id)
    if quantity > line.left:
        left = f"{line.left.normalize():f}"
        raise ReturnExceedsPurchase(
            f"Of line {line_id} {left} are left.", line_id=line_id, left=left
        )
    return Part(line, quantity)


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
        if points:
            result.append((award, points))
    return result


def _losses(
    book: Rulebook,
    purchase: Purchase,
    reversals: Sequence[tuple[Award, int]],
    *,
    given_back: int = 0,
) -> list[Loss]:
    """Return what is taken back; ``given_back`` are points that will be back by then."""
    if purchase.member is None or not reversals:
        return []
    rows = merged_rows.together(purchase.member)
    around = [*rows, *pools.holders_around(rows)]
    # What a row held that went into another is with that one.
    accounts = returning.accounts_of(rows[-1])
    counted = returning.expired_counted(purchase)
    currencies = {each.id: each for each in book.currencies.values()}
    totals: dict[tuple[int, int], int] = {}
    for award, points in reversals:
        # An award of some points has a transaction, one for each currency.
        origin = (award.currency_id, award.transaction_id or 0)
        totals[origin] = totals.get(origin, 0) + points
    return [
        Loss(
            currencies[currency_id],
            transaction_id,
            _plan(
                currencies[currency_id],
                points,
                returning.own_lots(transaction_id, around),
                accounts,
                counted,
                given_back if currencies[currency_id].code == book.points_code else 0,
            ),
        )
        for (currency_id, transaction_id), points in totals.items()
    ]


def _plan(
    currency: Currency,
    points: int,
    own: returning.OwnLots,
    accounts: returning.Accounts,
    counted: Mapping[str, int],
    given_back: int,
) -> Clawback:
    if not currency.is_redeemable:
        return Clawback(from_available=points)
    _, balance, floor = accounts[currency.id, "debt"]
    others = returning.other_lots(accounts[currency.id, "available"][0], points, own.open)
    if given_back:
        # What comes back pays the debt first; the rest can be taken like any other points.
        paid = min(given_back, -balance)
        balance += paid
        others.append(
            OpenLot(0, given_back - paid, datetime.min.replace(tzinfo=UTC), is_pending=False)
        )
    return claw_back(
        points,
        own=own.open,
        others=others,
        expired=max(own.expired - counted.get(currency.code, 0), 0),
        policy=currency.returns_policy,
        debt_room=balance - floor,
    )


def after_giving_back(
    book: Rulebook, goods_return: Return, decision: Decision, actor: str, moment: datetime
) -> Decision:
    """Give back the points that had paid; return the decision with what can be taken now."""
    paidback.give_back(goods_return, decision.purchase, decision.given, actor, moment)
    if decision.purchase.member is not None:
        merged_rows.forward(
            member=decision.purchase.member,
            ref=f"paid-{goods_return.public_id}",
            actor=actor,
            moment=moment,
        )
    losses = _losses(book, decision.purchase, decision.reversals)
    return replace(decision, losses=losses)


# Posting -------------------------------------------------------------------------------------


def post(
    book: Rulebook, goods_return: Return, decision: Decision, actor: str, moment: datetime
) -> None:
    """Write what was decided; the return's own row is there and becomes applied."""
    purchase = decision.purchase
    occurred_at = max(goods_return.occurred_at, purchase.occurred_at)
    for loss in decision.losses:
        if loss.plan.posted:
            _post_loss(book, goods_return, purchase, loss, actor, occurred_at, moment)
    goods_return.save(update_fields=["purchase", "state", "applied_at", "points"])
    ReturnLine.objects.bulk_create(
        ReturnLine(goods_return=goods_return, purchase_line=line.row, quantity=quantity)
        for line, quantity in decision.parts
    )
    AwardReversal.objects.bulk_create(
        AwardReversal(award=award, goods_return=goods_return, points=points)
        for award, points in decision.reversals
    )
    ungiven = giving.take_back(
        goods_return=goods_return, purchase=purchase, left=decision.left, moment=moment
    )
    counters.release(book, [*_released(decision.reversals), *ungiven])
    states = Purchase.State
    purchase.state = states.RETURNED if decision.is_whole else states.PARTIALLY_RETURNED
    purchase.save(update_fields=["state"])
    if purchase.member is not None:
        if book.grading is not None:
            tiers.undo_upgrade(
                program_id=book.program_id,
                grading=book.grading,
                member_id=purchase.member.merged_into_id or purchase.member.pk,
                caused_at=purchase.occurred_at,
                occurred_at=max(goods_return.occurred_at, purchase.occurred_at),
                moment=moment,
            )
        taken = decision.figures.get(book.points_code, {})
        record(
            program_id=book.program_id,
            kind="return_applied",
            member_id=purchase.member.pk,
            payload={
                "return": str(goods_return.public_id),
                "points": sum(taken.values()),
                "given_back": decision.given_back,
            },
            moment=moment,
        )


def _post_loss(
    book: Rulebook,
    goods_return: Return,
    purchase: Purchase,
    loss: Loss,
    actor: str,
    occurred_at: datetime,
    moment: datetime,
) -> None:
    plan, currency = loss.plan, loss.currency
    fetched = recalled(
        purchase,
        currency_id=currency.id,
        points={take.lot: take.points for take in plan.takes} if currency.is_redeemable else {},
        ref=f"return-{goods_return.public_id}-{loss.transaction_id}",
        actor=actor,
        moment=moment,
    )
    accounts = returning.accounts_of(purchase.member_id or 0)
    sources = (
        ("pending", plan.from_pending),
        ("available", plan.from_available),
        ("debt", plan.to_debt),
    )
    entries = [
        {"h": 0, "account": accounts[currency.id, kind][0], "points": -points}
        for kind, points in sources
        if points
    ]
    entries.append({"h": 0, "account": currency.issued_account, "points": plan.posted})
    takes = [fetched.get(take.lot, take.lot) for take in plan.takes]
    header = {
        "member": purchase.member_id,
        "currency": currency.id,
        "type": LedgerTransaction.Type.CLAWBACK,
        "source": "return",
        "ref": goods_return.public_id,
        "actor": actor,
        # Dated before its points were earned or given back, it would make a balance of the
        # past negative.
        "occurred_at": ledger.earliest_debit(lots=takes, moment=occurred_at),
        "reverses": loss.transaction_id,
    }
    uses = [
        {"h": 0, "lot": lot, "points": take.points, "kind": "clawback"}
        for lot, take in zip(takes, plan.takes, strict=True)
    ]
    document = {"headers": [header], "lots": [], "uses": uses, "entries": entries}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_post(%s::bigint, %s::timestamptz, %s::jsonb)",
            [book.program_id, moment, dumps(document).decode()],
        )
    if plan.to_debt and purchase.member is not None and currency.is_redeemable:
        merged_rows.forward(
            member=purchase.member,
            ref=f"owed-{goods_return.public_id}",
            actor=actor,
            moment=moment,
        )


def _released(reversals: Sequence[tuple[Award, int]]) -> list[dict[str, Any]]:
    """Return what the counters get back: points as they come, the use with the last of them."""
    released = []
    for award, points in reversals:
        is_gone = award.taken_back + points == award.points
        for use in award.limit_uses:
            back = {
                **use,
                "points": -used_back(use["points"], award.points, points),
                "uses": -use["uses"] if is_gone else 0,
            }
            if back["points"] or back["uses"]:
                released.append(back)
    return released
