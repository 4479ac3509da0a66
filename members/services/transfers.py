"""Points that a member sends to another: what it would take, and the request.

The points and the fee are held from the request on, so that they cannot be spent meanwhile; see
``transfer_ends`` for how they arrive or come back.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from loyalty_site.lib.calendars import local_day
from loyalty_site.lib.errors import DomainError
from members.models import (
    Identifier,
    LedgerAccount,
    LedgerTransaction,
    LotUse,
    Member,
    PointCurrency,
    Transfer,
)
from members.netting import OpenLot
from members.numbers import NUMBER, candidates
from members.queries.balances import Balance, balance_now
from members.queries.lookup import UnknownMember, owners
from members.queries.program import point_currency
from members.services import ledger, outbox
from members.transferring import (
    Sender,
    Terms,
    masked,
    masked_name,
    reasons_against,
    terms_of,
)

SOURCE = "transfer"
# A transfer that no job completes for so long is given up: its points go back by themselves.
GIVE_UP = timedelta(days=30)
# What names somebody so exactly that their masked name may be shown to whoever knows it.
EXACT = frozenset({NUMBER, Identifier.Kind.CARD, Identifier.Kind.EXTERNAL_ID})

_ON_THE_WAY = (Transfer.State.REQUESTED, Transfer.State.COMPLETED)

# Points that end before they arrive are not sent. Soonest end first, as every debit takes them; the
# end is the one that the sender's activity has renewed them to.
_TAKE = """
SELECT id, least(remaining, %(points)s - before) FROM (
  SELECT e.id, e.remaining, e.ends, (sum(e.remaining) OVER
    (ORDER BY e.ends, e.id) - e.remaining)::bigint AS before
  FROM (
    SELECT l.id, l.remaining,
      ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id) AS ends
    FROM members_pointlot l JOIN members_ledgeraccount a ON a.id = l.account_id
    WHERE l.account_id = %(account)s AND l.remaining > 0) e
  WHERE e.ends IS NULL OR e.ends > %(arrives_at)s) t
WHERE before < %(points)s ORDER BY ends, id
"""


class TransferRefused(DomainError):
    """The points cannot be sent; ``reasons`` says why."""

    code = "transfer_refused"
    title = "The points cannot be sent"
    cause = "The terms of transfers, the membership or the balance stand against it."
    remedy = "Read `reasons`; each says what stands against, and what would mend it."
    is_stored_refusal: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Target:
    """Whom the sender means, as far as the sender may know.

    ``member_id`` is None where nobody is known by an address; nothing tells the sender so.
    ``is_exact`` for a member number or a card, which somebody has.
    """

    member_id: int | None
    hint: str
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What sending ``points`` would take and every reason against; ``lots`` are named by end."""

    currency: PointCurrency
    terms: Terms | None
    target: Target
    points: int
    fee: int
    sendable: int
    lots: tuple[OpenLot, ...]
    balance_after: int
    arrives_at: datetime
    reasons: tuple[str, ...]

    @property
    def taken(self) -> int:
        """Return what leaves the sender's balance."""
        return self.points + self.fee


def target_of(*, program_id: int, text: str) -> Target:
    """Return whom a text names.

    For an e-mail address or a telephone number the answer is the same whether somebody is known
    by it or not. A member number or a card names somebody exactly, and shows a masked name.

    :raises UnknownMember: a number or card that nobody has.
    """
    read = candidates(text)
    if not read:
        raise UnknownMember
    found = owners(program_id, [read])[0]
    address = next((each for each in read if each.kind not in EXACT), None)
    if address is not None:
        return Target(found, masked(address.kind, address.value))
    member = None if found is None else Member.objects.filter(pk=found).first()
    if member is None or member.status == Member.Status.ERASED:
        raise UnknownMember
    name = masked_name(member.first_name, member.last_name)
    return Target(found, f"{name} {masked(NUMBER, member.number)}".strip(), is_exact=True)


def quote(
    *, sender: Member, to: str, points: int, moment: datetime, currency: str | None = None
) -> Decision:
    """Return what sending would take, net of what is due; nothing is written.

    :raises UnknownMember: a number or card that nobody has.
    """
    unit = _currency(sender, currency)
    return _decide(sender, target_of(program_id=sender.program_id, text=to), unit, points, moment)


@transaction.atomic
def request(
    *,
    sender: Member,
    to: str,
    points: int,
    actor: str,
    moment: datetime,
    currency: str | None = None,
) -> Transfer:
    """Hold the points and the fee, and return the transfer, which completes after the cooling.

    :raises UnknownMember: a number or card that nobody has.
    :raises TransferRefused: the member cannot send them; ``reasons`` lists why.
    """
    unit = _currency(sender, currency)
    target = target_of(program_id=sender.program_id, text=to)
    ledger.settle_due(member_ids=[sender.pk], moment=moment, recorded_at=moment, actor=actor)
    # Read again under the lock: staff may have suspended the sender meanwhile.
    sender = Member.objects.select_related("program").get(pk=sender.pk)
    decision = _decide(sender, target, unit, points, moment)
    if decision.reasons:
        raise refusal(decision)
    row = Transfer(
        public_id=uuid.uuid4(),
        program_id=sender.program_id,
        currency=unit,
        sender=sender,
        recipient_id=target.member_id,
        recipient_hint=target.hint[:128],
        points=points,
        fee=decision.fee,
        day=local_day(moment, ZoneInfo(sender.program.timezone)),
        requested_at=moment,
        completes_at=decision.arrives_at,
        changed_at=moment,
        changed_by=actor,
    )
    row.hold_id = _hold(row, decision, actor, moment)
    row.save(force_insert=True)
    tell(row, "transfer_requested", sender.pk, moment)
    if row.completes_at <= moment:
        outbox.ring("members.tasks.complete_transfers")
    return row


def refusal(decision: Decision) -> TransferRefused:
    """Return the refusal that the decision amounts to, its reasons in the active language."""
    told = told_reasons(decision)
    return TransferRefused(told[0]["text"], reasons=told)


def told_reasons(decision: Decision) -> list[dict[str, str]]:
    """Return the reasons against with a sentence each, in the active language."""
    return [{"code": code, "text": _text(code, decision)} for code in decision.reasons]


def tell(row: Transfer, kind: outbox.Kind, member_id: int, moment: datetime) -> None:
    """Record that a member is to be told of a transfer."""
    outbox.record(
        program_id=row.program_id,
        kind=kind,
        member_id=member_id,
        payload={
            "transfer": str(row.public_id),
            "points": row.points,
            "currency": row.currency.code,
            "state": row.state,
            "completes_at": row.completes_at.isoformat(),
        },
        moment=moment,
    )


def _currency(sender: Member, code: str | None) -> PointCurrency:
    return point_currency(sender.program, code)


def _decide(
    sender: Member, target: Target, unit: PointCurrency, points: int, moment: datetime
) -> Decision:
    terms = terms_of(unit.transfers)
    balance = balance_now(member=sender.public_id, moment=moment, currency=unit.code)
    assert balance is not None
    arrives_at = moment + (terms.cooling if terms else timedelta())
    lots = _sendable(balance, arrives_at)
    sendable = sum(lot.points for lot in lots)
    fee = terms.fee.of(points) if terms else 0
    reasons = reasons_against(
        terms,
        Sender(
            status=sender.status,
            enrolled_at=sender.enrolled_at,
            is_verified=has_verified(sender.pk),
            sendable=sendable,
            debt=balance.debt,
            sent_today=_sent_today(sender, unit, moment),
        ),
        points=points,
        to_oneself=target.member_id == sender.pk,
        moment=moment,
    )
    return Decision(
        currency=unit,
        terms=terms,
        target=target,
        points=points,
        fee=fee,
        sendable=sendable,
        lots=_first(lots, points + fee),
        balance_after=balance.available - points - fee,
        arrives_at=arrives_at,
        reasons=tuple(reasons),
    )


def has_verified(member_id: int) -> bool:
    """Return whether the member has proved that an identifier is theirs."""
    return Identifier.objects.filter(member=member_id, verified_at__isnull=False).exists()


def _sendable(balance: Balance, arrives_at: datetime) -> list[OpenLot]:
    ending = [lot for lot in balance.expiring if lot.expires_at and lot.expires_at > arrives_at]
    lasting = balance.available - sum(lot.points for lot in balance.expiring)
    return [*ending, OpenLot(lasting, None)] if lasting > 0 else ending


def _first(lots: list[OpenLot], points: int) -> tuple[OpenLot, ...]:
    taken = []
    for lot in lots:
        part = min(lot.points, points)
        if part > 0:
            taken.append(OpenLot(part, lot.expires_at))
        points -= part
    return tuple(taken)


def _sent_today(sender: Member, unit: PointCurrency, moment: datetime) -> int:
    day = local_day(moment, ZoneInfo(sender.program.timezone))
    rows = Transfer.objects.filter(
        # A day of the calendar is at most 26 hours long; the index is by instant.
        sender=sender,
        requested_at__gt=moment - timedelta(hours=27),
        currency=unit,
        day=day,
        state__in=_ON_THE_WAY,
    )
    return rows.aggregate(sent=Sum("points"))["sent"] or 0


def _hold(row: Transfer, decision: Decision, actor: str, moment: datetime) -> int:
    accounts = dict(
        LedgerAccount.objects.filter(member=row.sender_id, currency=row.currency_id).values_list(
            "kind", "pk"
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "points": decision.taken,
                "account": accounts["available"],
                "arrives_at": decision.arrives_at,
            },
        )
        taken = cursor.fetchall()
    # Points that a till recorded ahead of its time are never sent before they were earned.
    at = ledger.earliest_debit(lots=[lot[0] for lot in taken], moment=moment)
    posting = ledger.Posting(
        headers=[
            ledger.Header(
                member_id=row.sender_id,
                currency_id=row.currency_id,
                type=LedgerTransaction.Type.HOLD,
                source=SOURCE,
                external_ref=str(row.public_id),
                actor=actor,
                occurred_at=at,
                hold_expires_at=decision.arrives_at + GIVE_UP,
            )
        ],
        entries=[
            ledger.Entry(header=0, account_id=accounts["available"], points=-decision.taken),
            ledger.Entry(header=0, account_id=accounts["held"], points=decision.taken),
        ],
        uses=[
            ledger.Use(header=0, points=points, kind=LotUse.Kind.HOLD, lot_id=lot)
            for lot, points in taken
        ],
    )
    return ledger.post(program_id=row.program_id, posting=posting, recorded_at=moment)[0]


def _text(code: str, decision: Decision) -> str:
    terms = decision.terms
    figures = {
        "minimum": terms.minimum if terms else 0,
        "maximum": terms.maximum if terms else 0,
        "cap": terms.daily_cap if terms else 0,
        "days": terms.tenure_days if terms else 0,
        "taken": decision.taken,
        "sendable": decision.sendable,
    }
    return str(_TEXTS[code]() % figures)


_TEXTS = {
    "transfers_off": lambda: _("Points cannot be sent to others in this program."),
    "member_suspended": lambda: _("The membership is not active."),
    "to_oneself": lambda: _("These points are yours already."),
    "not_verified": lambda: _("Confirm your email address or telephone number first."),
    "too_new": lambda: _("Points can be sent %(days)s days after joining."),
    "in_debt": lambda: _("Points are owed after a return; what is earned next settles it."),
    "below_minimum": lambda: _("At least %(minimum)s points can be sent."),
    "above_maximum": lambda: _("At most %(maximum)s points can be sent at a time."),
    "daily_cap": lambda: _("At most %(cap)s points can be sent in a day."),
    "insufficient_points": lambda: _(
        "It takes %(taken)s points, and %(sendable)s can be sent: points that end before they"
        " arrive stay with you."
    ),
}
