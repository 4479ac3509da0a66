"""How a transfer ends: the points arrive, or they go back to the lots that they came from.

Locks are taken in one order: the accounts of both members, then the transfer's row.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from loyalty_site.lib.retries import retrying
from members.models import (
    LedgerAccount,
    LedgerHold,
    LedgerTransaction,
    LotUse,
    Member,
    Transfer,
)
from members.services import ledger, transfers
from members.services.jobs import Job, Trouble
from members.transferring import terms_of

ACTOR = "job:complete_transfers"
TRANSFERS_PER_CHUNK = 200

State = Transfer.State
Type = LedgerTransaction.Type


# The end is the one that the sender's activity has renewed the points to.
_HELD = """
SELECT l.id, u.points, l.available_at,
  ledger_lot_end(l.expires_at, l.renew_months, a.active_on, a.program_id) AS ends_at
FROM members_lotuse u
JOIN members_pointlot l ON l.id = u.lot_id
JOIN members_ledgeraccount a ON a.id = l.account_id
WHERE u.transaction_id = %s ORDER BY ends_at, l.id
"""


class _HeldLot(NamedTuple):
    id: int
    points: int
    available_at: datetime
    ends_at: datetime | None


class TransferEnded(DomainError):
    """The transfer has ended."""

    code = "transfer_ended"
    title = "The transfer has ended already"
    cause = "A transfer ends once: the points arrive, or they go back."
    remedy = "Read its `state`. Points that have arrived belong to the recipient."
    is_stored_refusal = True


@transaction.atomic
def cancel(
    *,
    public_id: UUID,
    actor: str,
    moment: datetime,
    sender_id: int | None = None,
    reason: str = "",
) -> Transfer:
    """Return the transfer, cancelled: points and fee are back in the lots that they came from.

    With ``sender_id`` only that member's transfers are found, and only before they complete.

    :raises NotFound: there is no such transfer.
    :raises TransferEnded: it has ended, or its time has come.
    """
    row = _locked(public_id, actor=actor, moment=moment, sender_id=sender_id)
    is_late = sender_id is not None and row.paused_at is None and row.completes_at <= moment
    if row.state != State.REQUESTED or is_late:
        raise TransferEnded(state=row.state)
    _give_back(row, State.CANCELLED, reason or "by_sender", actor, moment)
    return row


@transaction.atomic
def pause(*, public_id: UUID, actor: str, moment: datetime) -> Transfer:
    """Return the transfer, stopped until staff let it go on or cancel it; a repeat does nothing.

    Its points stay held. What is still stopped when the hold lapses goes back to the sender.

    :raises NotFound: there is no such transfer.
    :raises TransferEnded: it has ended.
    """
    row = _locked(public_id, actor=actor, moment=moment)
    if row.state != State.REQUESTED:
        raise TransferEnded(state=row.state)
    if row.paused_at is None:
        row.paused_at = moment
        _save(row, actor, moment, "paused_at")
    return row


@transaction.atomic
def resume(*, public_id: UUID, actor: str, moment: datetime) -> Transfer:
    """Return the transfer, let go on; it completes at its instant, or now when that is over.

    :raises NotFound: there is no such transfer.
    :raises TransferEnded: it has ended.
    """
    row = _locked(public_id, actor=actor, moment=moment)
    if row.state != State.REQUESTED:
        raise TransferEnded(state=row.state)
    if row.paused_at is not None:
        row.paused_at = None
        row.completes_at = max(row.completes_at, moment)
        _save(row, actor, moment, "paused_at", "completes_at")
    return row


@transaction.atomic
def complete(*, transfer_id: int, moment: datetime, actor: str = ACTOR) -> Transfer:
    """Return the transfer, completed if it is due, dated at the instant at which it was due.

    It is refused, and the points go back, where the recipient cannot have them any more, the
    sender was suspended, or the hold has lapsed. A repeat does nothing.
    """
    public_id = Transfer.objects.values_list("public_id", flat=True).get(pk=transfer_id)
    row = _locked(public_id, actor=actor, moment=moment, with_recipient=True)
    if row.state != State.REQUESTED or row.paused_at is not None or row.completes_at > moment:
        return row
    reason = _against(row)
    if reason:
        _give_back(row, State.REFUSED, reason, actor, moment)
        return row
    row.departure_id, row.arrival_id = _move(row, actor, moment)
    row.state = State.COMPLETED
    _save(row, actor, moment, "state", "departure", "arrival")
    transfers.tell(row, "transfer_received", row.recipient_id or 0, moment)
    return row


def end_of_member(*, member_id: int, actor: str, moment: datetime) -> None:
    """Take back what a leaving member has on its way, and forget whom the hints name."""
    mine = Transfer.objects.filter(sender=member_id, state=State.REQUESTED)
    for public_id in mine.order_by("pk").values_list("public_id", flat=True):
        cancel(public_id=public_id, actor=actor, moment=moment, reason="erasure")
    Transfer.objects.filter(Q(sender=member_id) | Q(recipient=member_id)).update(recipient_hint="")


def complete_chunk(moment: datetime, trouble: Trouble) -> int | None:
    """Complete some transfers whose time has come; return how many ended, None for none.

    Each is a transaction of its own, and one that the books refuse does not keep the others
    waiting.
    """
    due = Transfer.objects.filter(
        state=State.REQUESTED, paused_at__isnull=True, completes_at__lte=moment
    ).exclude(sender__in=trouble.members)
    rows = due.order_by("completes_at", "pk").values_list("pk", "sender_id")
    found = list(rows[:TRANSFERS_PER_CHUNK])
    if not found:
        return None
    ended = 0
    for pk, sender_id in found:
        try:
            _complete_retrying(pk, moment)
            ended += 1
        except IntegrityError as error:
            trouble.add(str(error).partition("\n")[0][:200], sender_id)
    return ended


COMPLETE_TRANSFERS = Job(name="complete_transfers", chunk=complete_chunk, is_exclusive=False)


def _complete_retrying(pk: int, moment: datetime) -> None:
    retrying(lambda: complete(transfer_id=pk, moment=moment))


def _locked(
    public_id: UUID,
    *,
    actor: str,
    moment: datetime,
    sender_id: int | None = None,
    with_recipient: bool = False,
) -> Transfer:
    found = Transfer.objects.filter(public_id=public_id)
    if sender_id is not None:
        found = found.filter(sender=sender_id)
    pair = found.values_list("sender_id", "recipient_id").first()
    if pair is None:
        raise NotFound
    known: list[int | None] = list(pair) if with_recipient else [pair[0]]
    members = [key for key in known if key is not None]
    ledger.settle_due(member_ids=members, moment=moment, recorded_at=moment, actor=actor)
    return (
        Transfer.objects.select_for_update(of=("self",), no_key=True)
        .select_related("currency", "sender", "recipient")
        .get(public_id=public_id)
    )


def _save(row: Transfer, actor: str, moment: datetime, *fields: str) -> None:
    row.changed_at, row.changed_by = moment, actor
    row.save(update_fields=[*fields, "changed_at", "changed_by"])


def _is_held(row: Transfer) -> bool:
    return LedgerHold.objects.filter(transaction=row.hold_id, is_open=True).exists()


def _against(row: Transfer) -> str:
    """Return why the points cannot arrive, empty when they can."""
    recipient = row.recipient
    if not _is_held(row):
        return "hold_lapsed"
    if row.sender.status != Member.Status.ACTIVE:
        return "sender_not_active"
    if recipient is None:
        return "recipient_unknown"
    if recipient.status != Member.Status.ACTIVE:
        return "recipient_not_active"
    terms = terms_of(row.currency.transfers)
    if terms is not None and terms.require_verified and not transfers.has_verified(recipient.pk):
        return "recipient_not_verified"
    ends = [lot.ends_at for lot in _held_lots(row)]
    return "points_ended" if any(end and end <= row.completes_at for end in ends) else ""


def _give_back(row: Transfer, state: str, reason: str, actor: str, moment: datetime) -> None:
    if _is_held(row):
        ledger.give_back(
            original_id=row.hold_id,
            source=transfers.SOURCE,
            external_ref=str(row.public_id),
            actor=actor,
            occurred_at=moment,
            recorded_at=moment,
            # The sender reads their ledger, and must not read there who is a member.
            reason_code=state,
        )
    row.state, row.reason, row.paused_at = state, reason, None
    _save(row, actor, moment, "state", "reason", "paused_at")
    transfers.tell(row, "transfer_returned", row.sender_id, moment)


def _move(row: Transfer, actor: str, moment: datetime) -> tuple[int, int]:
    """Post the departure from the hold and the arrival; return their keys."""
    theirs = _accounts(row.recipient_id, row)
    mine, ours = _accounts(row.sender_id, row), _accounts(None, row)
    owed = -theirs["debt"].balance
    at = _arrival(row, theirs["debt"].pk if owed else None)
    lots = _arriving(row, theirs["available"].pk, at)
    paid = min(owed, row.points)
    entries = [
        (0, mine["held"].pk, -(row.points + row.fee)),
        (0, ours["moved"].pk, row.points),
        (0, ours["fees"].pk, row.fee),
        (1, ours["moved"].pk, -row.points),
        (1, theirs["available"].pk, row.points - paid),
        (1, theirs["debt"].pk, paid),
    ]
    posting = ledger.Posting(
        headers=[
            _header(row, Type.TRANSFER_OUT, row.sender_id, actor, at, resolves_id=row.hold_id),
            _header(row, Type.TRANSFER_IN, row.recipient_id or 0, actor, at, counterpart=0),
        ],
        entries=[
            ledger.Entry(header=header, account_id=account, points=points)
            for header, account, points in entries
            if points
        ],
        lots=lots,
        uses=_paying(lots, paid),
    )
    departure, arrival = ledger.post(program_id=row.program_id, posting=posting, recorded_at=moment)
    return departure, arrival


def _accounts(member_id: int | None, row: Transfer) -> dict[str, LedgerAccount]:
    rows = LedgerAccount.objects.filter(member=member_id, currency=row.currency_id)
    return {account.kind: account for account in rows.order_by("pk")}


def _arrival(row: Transfer, debt_id: int | None) -> datetime:
    """Return the instant that the movement is dated at: when it was due, or a debt made later."""
    held_at = LedgerTransaction.objects.values_list("occurred_at", flat=True).get(pk=row.hold_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(%s::timestamptz, %s::timestamptz,"
            " ledger_earliest_payment(%s::bigint))",
            [row.completes_at, held_at, debt_id],
        )
        at: datetime = cursor.fetchone()[0]
    return at


def _arriving(row: Transfer, account_id: int, at: datetime) -> list[ledger.NewLot]:
    """Return the recipient's lots, which continue those held; the fee is paid by the first."""
    fee, found = row.fee, []
    for lot in _held_lots(row):
        part = max(lot.points - fee, 0)
        fee -= lot.points - part
        if part:
            found.append(
                ledger.NewLot(
                    header=1,
                    account_id=account_id,
                    points=part,
                    earned_at=at,
                    available_at=lot.available_at,
                    expires_at=lot.ends_at,
                    moved_from_id=lot.id,
                )
            )
    return found


def _held_lots(row: Transfer) -> list[_HeldLot]:
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [row.hold_id])
        return [_HeldLot(*found) for found in cursor.fetchall()]


def _paying(lots: list[ledger.NewLot], owed: int) -> list[ledger.Use]:
    uses = []
    for place, lot in enumerate(lots):
        part = min(lot.points, owed)
        if part:
            uses.append(ledger.Use(header=1, points=part, kind=LotUse.Kind.DEBT, new_lot=place))
        owed -= part
    return uses


def _header(
    row: Transfer,
    type_: LedgerTransaction.Type,
    member_id: int,
    actor: str,
    at: datetime,
    *,
    resolves_id: int | None = None,
    counterpart: int | None = None,
) -> ledger.Header:
    return ledger.Header(
        member_id=member_id,
        currency_id=row.currency_id,
        type=type_,
        source=transfers.SOURCE,
        external_ref=str(row.public_id),
        actor=actor,
        occurred_at=at,
        resolves_id=resolves_id,
        counterpart=counterpart,
    )
