"""Acts of staff upon points: asked for, agreed to by a second person where they are large, done.

One mechanism for every act. A service that has an act

1. calls ``request`` with what is to be done, and writes its own rows beside the approval;
2. registers, once, what posts it: ``ACTS.add("reinstatement", label, post)``;
3. in ``post`` locks and settles the member, calls ``mark_posted`` and then posts to the ledger,
   with the act as source and the approval's public id as reference.

``request`` followed by ``post_alone`` does a small act at once; a large one waits for ``approve``.
The rules are kept by the database (``members/sql/approvals.sql``, the constraints of the model).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils.functional import Promise

from loyalty_site.lib.constraints import refusing
from loyalty_site.lib.errors import DomainError
from members.models import Approval, User

State = Approval.State


class SecondPersonNeeded(DomainError):
    """The act is above what one person may do alone."""

    code = "second_person_needed"
    title = "A second person has to approve this"
    cause = "The act moves more points than one person may move alone, at once or in a day."
    remedy = "Ask a colleague to approve it; it waits in the list of approvals."


class SamePerson(DomainError):
    """Whoever asked for an act cannot approve it."""

    code = "same_person"
    title = "Somebody else has to approve this"
    cause = "An act is approved by another person than the one who asked for it."
    remedy = "Ask a colleague to approve it, or take the request back."


class OwnAccount(DomainError):
    """The act is upon an account of the person's own."""

    code = "own_account"
    title = "This is your own account"
    cause = "Nobody of the staff moves points of an account that is linked to their login."
    remedy = "Ask two colleagues: one to request it and, where it is large, one to approve it."


class NotWaiting(DomainError):
    """The act is not in the state that the step starts from."""

    code = "approval_not_waiting"
    title = "This does not wait any more"
    cause = "Somebody else approved, rejected or posted it meanwhile."
    remedy = "Read it again; its page says who did what."


class DailyCapReached(SecondPersonNeeded):
    """What the person did alone today leaves no room for the act."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is to be done; ``points`` is above zero, ``member_id`` None for many members.

    ``key`` names the request, so that a form that is sent twice asks once.
    """

    program_id: int
    act: str
    member_id: int | None
    currency_id: int
    points: int
    is_credit: bool
    why: str = ""
    key: UUID | None = None


Post = Callable[[Approval, datetime], Any]


@dataclass(frozen=True, slots=True)
class Act:
    """A kind of act: what staff call it, and what posts one that may be posted."""

    label: str | Promise
    post: Post


class Acts:
    """The acts by name; each service adds its own when it is imported."""

    def __init__(self) -> None:
        self._acts: dict[str, Act] = {}

    def add(self, name: str, label: str | Promise, post: Post) -> None:
        """Let approvals of that name be posted by ``post(approval, moment)``."""
        self._acts[name] = Act(label, post)

    def __getitem__(self, name: str) -> Act:
        """Return the act; a ``KeyError`` says that nobody added it."""
        return self._acts[name]

    def label(self, name: str) -> str:
        """Return what staff call the act; its name where nobody added it."""
        return str(self._acts[name].label) if name in self._acts else name


ACTS: Final = Acts()

_REFUSALS: Final[dict[str, type[DomainError]]] = {
    "members_approval_two_people": SamePerson,
    "members_approval_not_oneself": OwnAccount,
    "members_approval_above_limit": SecondPersonNeeded,
    "members_staffday_within": DailyCapReached,
    "members_approval_course": NotWaiting,
}


@transaction.atomic
def request(*, asked: Asked, by: User, moment: datetime) -> Approval:
    """Write down what somebody of the staff wants done; nothing moves yet.

    :raises OwnAccount: the points are the person's own.
    """
    approval = Approval(
        public_id=asked.key or uuid4(),
        program_id=asked.program_id,
        act=asked.act,
        member_id=asked.member_id,
        currency_id=asked.currency_id,
        points=asked.points,
        is_credit=asked.is_credit,
        why=asked.why,
        requested_by=by,
        requested_at=moment,
    )
    with refusing(_REFUSALS):
        approval.save(force_insert=True)
    # The database has set the limit.
    approval.refresh_from_db(fields=["limit_points"])
    return approval


@transaction.atomic
def post_alone(*, approval: Approval, moment: datetime) -> bool:
    """Post the act if whoever asked may do it alone; return whether it was posted.

    What is above the limit, of one act or of the day, stays a request for a second person.

    :raises DomainError: what the act itself refuses; nothing of it stays then.
    """
    if approval.points > approval.limit_points:
        return False
    try:
        with transaction.atomic():
            ACTS[approval.act].post(approval, moment)
    except SecondPersonNeeded:
        approval.refresh_from_db()
        return False
    return True


@transaction.atomic
def approve(*, approval_id: int, by: User, moment: datetime) -> Approval:
    """Agree to an act of somebody else, and post it in the same transaction.

    :raises SamePerson: the same person asked for it.
    :raises OwnAccount: the points are the person's own.
    :raises NotWaiting: it was decided before.
    :raises DomainError: what the act itself refuses; it waits on then.
    """
    approval = locked(approval_id, State.REQUESTED)
    approval.state = State.APPROVED
    approval.decided_by, approval.decided_at = by, moment
    with refusing(_REFUSALS):
        approval.save(update_fields=["state", "decided_by", "decided_at"])
    ACTS[approval.act].post(approval, moment)
    return approval


@transaction.atomic
def reject(*, approval_id: int, by: User, answer: str, moment: datetime) -> Approval:
    """Refuse an act, or take one's own request back; nothing moves.

    :raises NotWaiting: it was decided before.
    """
    approval = locked(approval_id, State.REQUESTED)
    approval.state, approval.answer = State.REJECTED, answer
    approval.decided_by, approval.decided_at = by, moment
    with refusing(_REFUSALS):
        approval.save(update_fields=["state", "answer", "decided_by", "decided_at"])
    return approval


def mark_posted(*, approval: Approval, moment: datetime) -> None:
    """Say that the act is done in this transaction; the ledger takes it only after this.

    Called with the member locked. Without a second person it counts against the day of
    whoever asked.

    :raises SecondPersonNeeded: the act or the day is above the limit.
    :raises NotWaiting: it is done already, or was refused.
    """
    approval.state, approval.posted_at = State.POSTED, moment
    with refusing(_REFUSALS):
        approval.save(update_fields=["state", "posted_at"])


def mark_reversed(*, approval: Approval, by: User, moment: datetime) -> None:
    """Say that what the act did is undone in this transaction.

    :raises OwnAccount: the points are the person's own.
    :raises NotWaiting: it was not done, or is undone already.
    """
    approval.state = State.REVERSED
    approval.reversed_by, approval.reversed_at = by, moment
    with refusing(_REFUSALS):
        approval.save(update_fields=["state", "reversed_by", "reversed_at"])


def locked(approval_id: int, *states: str) -> Approval:
    """Return the approval, held until the transaction ends; taken before any member.

    :raises NotWaiting: it is in another state.
    """
    approval = Approval.objects.select_for_update(no_key=True).get(pk=approval_id)
    if states and approval.state not in states:
        raise NotWaiting(f"It is {approval.get_state_display()}.")
    return approval


def limits(currency_id: int) -> tuple[int, int]:
    """Return what one person may move alone: in one act, and in a day."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM approval_limits(%s::bigint)", [currency_id])
        alone, daily = cursor.fetchone()
    return alone, daily
