"""Points given to and taken from one member by hand, for a reason that the member reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.errors import DomainError
from members.lots import InsufficientPoints
from members.models import (
    Adjustment,
    AdjustmentReason,
    Approval,
    LedgerAccount,
    LedgerNote,
    PointCurrency,
    User,
)
from members.queries.grading import grading_of
from members.queries.program import current_program
from members.services import approvals, ledger, tiers
from members.services.approvals import Asked
from members.services.evidence import File, attach

ACT: Final = "adjustment"
REVERSAL: Final = "reversal"
POINTS_MAX: Final = 1_000_000_000


class ReasonUnsuitable(DomainError):
    """The reason is retired, or is none for this direction."""

    code = "reason_unsuitable"
    title = "This reason does not fit"
    cause = "Each reason is good for giving points, for taking them, or for both."
    remedy = "Choose another reason, or change the list of reasons."


class ExpiryPassed(DomainError):
    """The points would be of no use when they come."""

    code = "expiry_passed"
    title = "These points would have expired already"
    cause = "The last day of the points is before the present."
    remedy = "Choose a later day, or leave the day of the currency's policy."


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be done; ``points`` above zero give, below zero take.

    ``expires_at`` is the first instant at which a credit is of no use, None for never.
    ``is_within_balance`` lets a debit take what is there instead of being refused. ``note`` is
    for the member, ``why`` for staff.
    """

    member_id: int
    currency: PointCurrency
    points: int
    reason: AdjustmentReason
    expires_at: datetime | None = None
    is_within_balance: bool = False
    note: str = ""
    why: str = ""
    file: File | None = None
    key: UUID = field(default_factory=uuid4)


@transaction.atomic
def adjust(*, wish: Wish, by: User, moment: datetime) -> Adjustment:
    """Ask for an adjustment and, where one person may do it alone, post it at once.

    A repeated ``key`` returns the adjustment that it made the first time.

    :raises ReasonUnsuitable: the reason is not for this direction.
    :raises ExpiryPassed: a credit would be of no use.
    :raises OwnAccount: the points are the person's own.
    :raises InsufficientPoints: a debit exceeds the balance and was not told to stay within it.
    """
    ledger.call("lock_business_key(%s::text, 'staff', %s::text)", ACT, str(wish.key))
    if known := Adjustment.objects.filter(approval__public_id=wish.key).first():
        return known
    # What became available or ended meanwhile is counted before anything is refused.
    ledger.settle_due(
        member_ids=[wish.member_id], moment=moment, recorded_at=moment, actor=f"staff:{by.pk}"
    )
    _require_sound(wish, moment)
    approval = approvals.request(
        asked=Asked(
            program_id=wish.currency.program_id,
            act=ACT,
            member_id=wish.member_id,
            currency_id=wish.currency.pk,
            points=abs(wish.points),
            is_credit=wish.points > 0,
            why=wish.why,
            key=wish.key,
        ),
        by=by,
        moment=moment,
    )
    adjustment = Adjustment.objects.create(
        approval=approval,
        reason=wish.reason,
        note=wish.note,
        expires_at=wish.expires_at,
        is_within_balance=wish.is_within_balance,
    )
    if wish.file is not None:
        attach(approval=approval, file=wish.file, moment=moment)
    approvals.post_alone(approval=approval, moment=moment)
    adjustment.refresh_from_db()
    return adjustment


def post(approval: Approval, moment: datetime) -> None:
    """Post an adjustment that may be posted.

    :raises InsufficientPoints: a debit exceeds what the member has by now.
    :raises ExpiryPassed: a credit waited longer than its points would have lasted.
    """
    adjustment = Adjustment.objects.select_related("reason").get(approval=approval)
    member_id = approval.member_id or 0
    actor = f"staff:{approval.requested_by_id}"
    ledger.settle_due(member_ids=[member_id], moment=moment, recorded_at=moment, actor=actor)
    approvals.mark_posted(approval=approval, moment=moment)
    moved = approval.points
    if approval.is_credit:
        _require_future(adjustment.expires_at, moment)
        posted: int | None = credit(
            approval=approval,
            reference=str(approval.public_id),
            reason_code=adjustment.reason.code,
            available_at=moment,
            expires_at=adjustment.expires_at,
            actor=actor,
            moment=moment,
        )
    else:
        posted, moved, _debt = debit(
            approval=approval,
            source=approval.act,
            points=approval.points,
            reason_code=adjustment.reason.code,
            missing="leave" if adjustment.is_within_balance else "refuse",
            actor=actor,
            moment=moment,
        )
    Adjustment.objects.filter(pk=approval.pk).update(transaction_id=posted, moved_points=moved)
    if posted is not None and adjustment.note:
        LedgerNote.objects.create(transaction_id=posted, text=adjustment.note)
    regrade(approval.currency_id, member_id, moment)


@transaction.atomic
def reverse(*, approval_id: int, by: User, missing: str = "leave", moment: datetime) -> Adjustment:
    """Undo an adjustment as far as it can be: a compensating transaction, never a deletion.

    A credit takes its own points first, then others that are available; what is missing is
    left with the member (``leave``) or becomes debt (``debt``), and stands on the row as
    ``kept_points``. A debit gives back what it took, with the life that the currency's days
    of grace allow at least.

    :raises NotWaiting: it was not posted, or is reversed already.
    :raises OwnAccount: the points are the person's own.
    """
    approval = approvals.locked(approval_id, Approval.State.POSTED)
    adjustment = Adjustment.objects.select_related("reason").get(approval=approval)
    member_id = approval.member_id or 0
    actor = f"staff:{by.pk}"
    ledger.settle_due(member_ids=[member_id], moment=moment, recorded_at=moment, actor=actor)
    approvals.mark_reversed(approval=approval, by=by, moment=moment)
    moved = adjustment.moved_points or 0
    kept = 0
    posted: int | None = None
    if approval.is_credit:
        posted, taken, _debt = debit(
            approval=approval,
            source=REVERSAL,
            points=moved,
            reason_code=adjustment.reason.code,
            missing=missing,
            of=adjustment.transaction_id,
            actor=actor,
            moment=moment,
        )
        kept = moved - taken
    elif moved:
        posted = credit(
            approval=approval,
            reference=str(approval.public_id),
            source=REVERSAL,
            points=moved,
            reason_code=adjustment.reason.code,
            available_at=moment,
            expires_at=_life_of_what_was_taken(adjustment, moment),
            actor=actor,
            moment=moment,
        )
    Adjustment.objects.filter(pk=approval.pk).update(reversal_id=posted, kept_points=kept)
    regrade(approval.currency_id, member_id, moment)
    adjustment.refresh_from_db()
    return adjustment


def credit(
    *,
    approval: Approval,
    reference: str,
    reason_code: str,
    available_at: datetime,
    expires_at: datetime | None,
    actor: str,
    moment: datetime,
    source: str = "",
    points: int | None = None,
    counter: str = "adjusted",
) -> int:
    """Post points to the approval's member, debt first; return the transaction."""
    (posted,) = ledger.call_row(
        "ledger_adjust_credit(%s::bigint, %s::bigint, %s::bigint, 'adjust_credit', %s::text,"
        " %s::text, %s::text, %s::text, %s::timestamptz, %s::timestamptz, %s::text,"
        " %s::timestamptz, %s::timestamptz)",
        *(approval.member_id, approval.currency_id, points or approval.points, counter),
        *(source or approval.act, reference, actor, moment, moment, reason_code),
        *(available_at, expires_at),
    )
    return int(posted)


def debit(
    *,
    approval: Approval,
    source: str,
    points: int,
    reason_code: str,
    missing: str,
    actor: str,
    moment: datetime,
    of: int | None = None,
    is_only_of: bool = False,
    counter: str = "adjusted",
    member_id: int | None = None,
) -> tuple[int | None, int, int]:
    """Take points of the approval's member; return the transaction, the points and the debt.

    Those that came with the transaction ``of`` go first; with ``is_only_of`` no others.
    ``member_id`` is the survivor where the member was merged into another.

    :raises InsufficientPoints: they are not there and ``missing`` is ``refuse``.
    """
    if missing == "refuse":
        _require_posted_points(member_id or approval.member_id or 0, approval.currency_id, points)
    posted, taken, to_debt = ledger.call_row(
        "ledger_adjust_debit(%s::bigint, %s::bigint, %s::bigint, 'adjust_debit', %s::text,"
        " %s::text, %s::text, %s::text, %s::timestamptz, %s::timestamptz, %s::text,"
        " %s::bigint, %s::boolean, %s::text)",
        *(member_id or approval.member_id, approval.currency_id, points, counter, source),
        *(str(approval.public_id), actor, moment, moment, reason_code, of, is_only_of, missing),
    )
    return posted, taken, to_debt


def regrade(currency_id: int, member_id: int, moment: datetime) -> None:
    """Bring the member's tier up to date where it is graded on the currency."""
    program = current_program()
    grading = grading_of(program)
    if grading is not None and grading.currency_id == currency_id:
        tiers.regrade_member(program=program, grading=grading, member_id=member_id, moment=moment)


def _require_sound(wish: Wish, moment: datetime) -> None:
    directions = {"both", "credit" if wish.points > 0 else "debit"}
    if wish.reason.is_retired or wish.reason.direction not in directions:
        raise ReasonUnsuitable
    if wish.points > 0:
        _require_future(wish.expires_at, moment)
    if wish.points < 0 and not wish.is_within_balance:
        # Said at once, not only when a second person has agreed.
        _require_posted_points(wish.member_id, wish.currency.pk, -wish.points)


def _require_future(expires_at: datetime | None, moment: datetime) -> None:
    if expires_at is not None and expires_at <= moment:
        raise ExpiryPassed


def _require_posted_points(member_id: int, currency_id: int, points: int) -> None:
    row = LedgerAccount.objects.filter(
        member_id=member_id, currency_id=currency_id, kind="available"
    ).first()
    available = row.balance if row else 0
    if available < points:
        raise InsufficientPoints(
            f"{points} points asked, {available} available.", available=available, required=points
        )


def _life_of_what_was_taken(adjustment: Adjustment, moment: datetime) -> datetime | None:
    """Return the last end among the lots that a debit took, or that of the grace."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN bool_or(l.expires_at IS NULL) THEN NULL"
            " ELSE greatest(max(l.expires_at), ledger_grace_end(%s::bigint, %s::timestamptz)) END"
            " FROM members_lotuse u JOIN members_pointlot l ON l.id = u.lot_id"
            " WHERE u.transaction_id = %s::bigint",
            [adjustment.approval.currency_id, moment, adjustment.transaction_id],
        )
        found: datetime | None = cursor.fetchone()[0]
    return found


approvals.ACTS.add(ACT, _("adjustment"), post)
