"""Expired points given back to a member by hand, for a reason that the member reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.errors import DomainError
from members.models import AdjustmentReason, Approval, LedgerNote, Reinstatement, User
from members.queries.expired import Expiry, expiries_of
from members.queries.program import current_program
from members.services import approvals, ledger
from members.services.adjustments import ExpiryPassed, ReasonUnsuitable
from members.services.approvals import Asked

ACT: Final = "reinstatement"


class NothingToReinstate(DomainError):
    """Fewer points are left of the expiry than are to be given back."""

    code = "nothing_to_reinstate"
    title = "So many points cannot be given back"
    cause = "They were given back already, belonged to goods that came back, or did not expire."
    remedy = "Ask for no more than the list of expired points says."


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be given back; ``expiry_id`` is the transaction by which it expired.

    ``points`` None is all that is left. ``expires_at`` is the first instant at which the points
    are of no use again; None counts the currency's days of grace from when they are given.
    ``note`` is for the member, ``why`` for staff.
    """

    member_id: int
    expiry_id: int
    reason: AdjustmentReason
    points: int | None = None
    expires_at: datetime | None = None
    note: str = ""
    why: str = ""
    key: UUID = field(default_factory=uuid4)


@transaction.atomic
def reinstate(*, wish: Wish, by: User, moment: datetime) -> Reinstatement:
    """Ask that points are given back and, where one person may do it alone, give them at once.

    A repeated ``key`` returns what it made the first time.

    :raises NothingToReinstate: fewer points are left of the expiry.
    :raises ReasonUnsuitable: the reason is retired, or is one for taking points.
    :raises ExpiryPassed: the points would end before they come.
    :raises OwnAccount: the points are the person's own.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT lock_business_key(%s, 'staff', %s)", [ACT, str(wish.key)])
    if known := Reinstatement.objects.filter(approval__public_id=wish.key).first():
        return known
    if wish.reason.is_retired or wish.reason.direction not in {"both", "credit"}:
        raise ReasonUnsuitable
    _require_future(wish.expires_at, moment)
    expiry = _found(wish.member_id, wish.expiry_id)
    points = expiry.left if wish.points is None else wish.points
    _require_left(expiry, points)
    approval = approvals.request(
        asked=Asked(
            program_id=current_program().pk,
            act=ACT,
            member_id=wish.member_id,
            currency_id=expiry.currency_id,
            points=points,
            is_credit=True,
            why=wish.why,
            key=wish.key,
        ),
        by=by,
        moment=moment,
    )
    made = Reinstatement.objects.create(
        approval=approval,
        expiry_id=expiry.id,
        reason=wish.reason,
        note=wish.note,
        expires_at=wish.expires_at,
    )
    approvals.post_alone(approval=approval, moment=moment)
    made.refresh_from_db()
    return made


def post(approval: Approval, moment: datetime) -> None:
    """Give back what was asked for; debt is paid first.

    :raises NothingToReinstate: others gave it back meanwhile.
    :raises ExpiryPassed: it waited longer than its points would have lasted.
    """
    made = Reinstatement.objects.select_related("reason").get(approval=approval)
    member_id = approval.member_id or 0
    actor = f"staff:{approval.requested_by_id}"
    ledger.settle_due(member_ids=[member_id], moment=moment, recorded_at=moment, actor=actor)
    _require_future(made.expires_at, moment)
    _require_left(_found(member_id, made.expiry_id), approval.points)
    approvals.mark_posted(approval=approval, moment=moment)
    posted = ledger.reinstate(
        expiry_id=made.expiry_id,
        points=approval.points,
        source=ACT,
        external_ref=str(approval.public_id),
        actor=actor,
        reason_code=made.reason.code,
        expires_at=made.expires_at,
        moment=moment,
    )
    Reinstatement.objects.filter(pk=approval.pk).update(transaction_id=posted)
    if made.note:
        LedgerNote.objects.create(transaction_id=posted, text=made.note)


def _found(member_id: int, expiry_id: int) -> Expiry:
    found = expiries_of(member_id=member_id, expiry_id=expiry_id)
    if not found:
        raise NothingToReinstate
    return found[0]


def _require_left(expiry: Expiry, points: int) -> None:
    if not 0 < points <= expiry.left:
        raise NothingToReinstate(
            f"{points} points asked, {expiry.left} can be given back.",
            available=expiry.left,
            required=points,
        )


def _require_future(expires_at: datetime | None, moment: datetime) -> None:
    if expires_at is not None and expires_at <= moment:
        raise ExpiryPassed


approvals.ACTS.add(ACT, _("reinstatement"), post)
