"""Erasure: a person goes, the books stay and still balance."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Final

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from loyalty_site.lib.problems import FieldError, Invalid
from members.models import (
    Adjustment,
    Approval,
    AttributeChange,
    BirthDateChange,
    DataExport,
    Evidence,
    IdempotencyRecord,
    Identifier,
    LedgerAccount,
    LedgerHold,
    LedgerNote,
    LedgerTransaction,
    LotUse,
    Member,
    MemberAttribute,
    MemberScore,
    MemberTag,
    Message,
    OutboxEvent,
    PointLot,
    PointsOrder,
    PoolMembership,
    Reinstatement,
    ScoreMove,
    SegmentMembership,
    SegmentMove,
    User,
)
from members.services import consents, erasure_log, ledger, pool_ends, transfer_ends
from members.services.profile import MemberErased

ERASURE: Final = "erasure"


@transaction.atomic
def erase(*, member: Member, confirm: str, actor: str, moment: datetime) -> dict[str, int]:
    """Empty everything that says who the member is; return the points forfeited by currency.

    Purchases and the books stay, under a number that names nobody. It cannot be undone.

    :raises Invalid: ``confirm`` is not the member number.
    :raises MemberErased: it was done before.
    """
    require_confirmation(member, confirm)
    around = pool_ends.people_around(member.pk)
    ledger.settle_due(
        member_ids=[member.pk, *around], moment=moment, recorded_at=moment, actor=actor
    )
    locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    if locked.status == Member.Status.ERASED:
        raise MemberErased
    pool_ends.end_of_member(
        member_id=locked.pk, ending=PoolMembership.Ending.ERASED, actor=actor, moment=moment
    )
    transfer_ends.end_of_member(member_id=locked.pk, actor=actor, moment=moment)
    forfeited = _forfeit(locked, actor, moment)
    consents.withdraw_all(member=locked, source=ERASURE, moment=moment)
    user = locked.user
    _purge(locked)
    _empty(locked, moment)
    for row in Member.objects.select_for_update(no_key=True).filter(pk__in=locked.absorbed):
        # A row that went into this one holds nothing any more but the person's name.
        consents.withdraw_all(member=row, source=ERASURE, moment=moment)
        _purge(row)
        _empty(row, moment)
    if user is not None:
        _remove_login(user)
    # After the commit: a log that named somebody who was not erased would erase them later. What
    # a process killed here has not written, the next backup writes.
    transaction.on_commit(partial(erasure_log.note, locked.public_id, moment), robust=True)
    return forfeited


def require_confirmation(member: Member, confirm: str) -> None:
    """Let the request pass if the member number was typed, in groups or not.

    :raises Invalid: something else was.
    """
    if "".join(confirm.split()) != member.number:
        detail = "Your member number is expected."
        raise Invalid([FieldError("/confirm", "not_confirmed", detail)])


def _forfeit(member: Member, actor: str, moment: datetime) -> dict[str, int]:
    """Write off points in every state, and debt, of every redeemable currency."""
    for hold in LedgerHold.objects.filter(account__member=member, is_open=True).order_by("pk"):
        ledger.give_back(
            original_id=hold.pk,
            source=ERASURE,
            external_ref=f"hold-{hold.pk}",
            actor=actor,
            occurred_at=moment,
            recorded_at=moment,
            reason_code=ERASURE,
        )
    accounts: dict[int, list[LedgerAccount]] = defaultdict(list)
    rows = LedgerAccount.objects.filter(member=member, currency_kind="redeemable")
    for account in rows.select_related("currency").order_by("currency__position", "pk"):
        accounts[account.currency_id].append(account)
    return {
        owned[0].currency.code: _forfeit_currency(member, owned, actor, moment)
        for owned in accounts.values()
    }


def _forfeit_currency(
    member: Member, accounts: Sequence[LedgerAccount], actor: str, moment: datetime
) -> int:
    lots = list(
        PointLot.objects.filter(account__in=accounts, remaining__gt=0).order_by(
            "account_id", "expires_at", "pk"
        )
    )
    points = sum(lot.remaining for lot in lots)
    debts = [account for account in accounts if account.kind == "debt" and account.balance < 0]
    if points:
        taken = [(account.pk, -account.balance) for account in accounts if account.keeps_lots]
        _write(member, accounts[0].currency_id, "adjust_debit", taken, lots, actor, moment)
    if debts:
        forgiven = [(account.pk, -account.balance) for account in debts]
        _write(member, accounts[0].currency_id, "write_off", forgiven, [], actor, moment)
    return points


def _write(
    member: Member,
    currency_id: int,
    type_: str,
    moved: Sequence[tuple[int, int]],
    lots: Sequence[PointLot],
    actor: str,
    moment: datetime,
) -> None:
    adjusted = LedgerAccount.objects.get(member=None, currency_id=currency_id, kind="adjusted")
    legs = [*moved, (adjusted.pk, -sum(points for _, points in moved))]
    ledger.post(
        program_id=member.program_id,
        recorded_at=moment,
        posting=ledger.Posting(
            headers=[
                ledger.Header(
                    member_id=member.pk,
                    currency_id=currency_id,
                    type=LedgerTransaction.Type(type_),
                    source=ERASURE,
                    external_ref=str(member.public_id),
                    actor=actor,
                    occurred_at=ledger.earliest_debit(lots=[lot.pk for lot in lots], moment=moment),
                    reason_code=ERASURE,
                )
            ],
            entries=[
                ledger.Entry(header=0, account_id=account, points=points)
                for account, points in legs
                if points
            ],
            uses=[
                ledger.Use(header=0, points=lot.remaining, kind=LotUse.Kind.ADJUST, lot_id=lot.pk)
                for lot in lots
            ],
        ),
    )


def _purge(member: Member) -> None:
    """Remove or empty what other rows hold of the person."""
    Identifier.objects.filter(member=member).delete()
    Message.objects.filter(member=member).delete()
    OutboxEvent.objects.filter(member=member).delete()
    DataExport.objects.filter(member=member).delete()
    SegmentMembership.objects.filter(member=member).delete()
    SegmentMove.objects.filter(member=member).delete()
    MemberTag.objects.filter(member=member).delete()
    BirthDateChange.objects.filter(member=member).delete()
    MemberAttribute.objects.filter(member=member).delete()
    AttributeChange.objects.filter(member=member).delete()
    MemberScore.objects.filter(member=member).delete()
    ScoreMove.objects.filter(member=member).delete()
    LedgerNote.objects.filter(transaction__member=member).delete()
    Evidence.objects.filter(approval__member=member).delete()
    Approval.objects.filter(member=member).update(why="", answer="")
    Adjustment.objects.filter(approval__member=member).update(note="")
    PointsOrder.objects.filter(member=member).exclude(refund_why="").update(refund_why="")
    Reinstatement.objects.filter(approval__member=member).update(note="")
    callers = [f"member:{member.pk}", f"user:{member.user_id}"]
    # The key stays taken: a repeat must still not act again.
    IdempotencyRecord.objects.filter(Q(member=member) | Q(caller__in=callers)).update(body={})


def _empty(member: Member, moment: datetime) -> None:
    member.status = Member.Status.ERASED
    member.user = None
    member.first_name = member.last_name = member.locale = member.timezone = ""
    member.referral_code = member.source_channel = ""
    member.birth_date = None
    member.card_secret = uuid.uuid4()
    member.erased_at = member.changed_at = moment
    member.save()


def _remove_login(user: User) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    for key in UserSession.objects.filter(user=user).values_list("session_key", flat=True):
        store.delete(key)
    # A login of staff is not the member's alone.
    if not user.is_staff:
        user.delete()
