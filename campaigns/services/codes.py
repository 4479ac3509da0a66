"""Codes that earn: made in batches, each redeemed once by one member.

What a code gives is a matter of rules: a redeemed code is an event of type ``code`` whose
payload names its batch, the store and the amount of the receipt.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

from django.db import transaction

from campaigns.bodies import EventBody
from campaigns.models import CodeBatch, EarningCode, Event
from campaigns.services import events
from campaigns.services.keys import Outcome
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.reading import MemberRef
from loyalty_site.lib.retries import retrying
from members.models import Member, User
from members.queries.program import current_program
from members.services import tries
from rewards import vouchers

EVENT_TYPE: Final = "code"
SOURCE: Final = "code"
COUNT_MAX: Final = 100_000
ROWS_AT_ONCE: Final = 5_000


class CodeNotFound(DomainError):
    """The code is unknown, used, withdrawn or out of its time."""

    code = "code_not_found"
    status = 404
    title = "This code cannot be redeemed"
    cause = "It is unknown, was redeemed by somebody else, was withdrawn, or its time is over."
    remedy = "Compare it with what is printed; each code works once."


class BatchExists(DomainError):
    """Another batch has this code."""

    code = "code_batch_exists"
    title = "Another batch has this code"
    cause = "Rules know a batch by its code, so that two cannot share one."
    remedy = "Choose another code for the batch."


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """What a batch is made of; ``amount`` is money of the program."""

    code: str
    name: str
    count: int
    store: str = ""
    amount: Decimal | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


def make(*, spec: BatchSpec, user: User, moment: datetime) -> tuple[CodeBatch, list[str]]:
    """Make a batch and return it with its codes, which are not kept and told only now.

    :raises BatchExists: the batch's code is taken.
    :raises ValueError: the count is not between 1 and 100,000.
    """
    if not 1 <= spec.count <= COUNT_MAX:
        raise ValueError(spec.count)
    program = current_program()
    codes = _new_codes(spec.count)
    with transaction.atomic():
        batch, is_new = CodeBatch.objects.get_or_create(
            program=program,
            code=spec.code,
            defaults={
                "name": spec.name,
                "count": spec.count,
                "store": spec.store,
                "amount": spec.amount,
                "valid_from": spec.valid_from,
                "valid_until": spec.valid_until,
                "created_by": user,
                "created_at": moment,
            },
        )
        if not is_new:
            raise BatchExists
        EarningCode.objects.bulk_create(
            (EarningCode(batch=batch, digest=digest_of(code)) for code in codes),
            batch_size=ROWS_AT_ONCE,
        )
    return batch, codes


def _new_codes(count: int) -> list[str]:
    """Return so many different codes; two alike are as likely as guessing one."""
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes[vouchers.new_code()] = None
    return list(codes)


def digest_of(code: str) -> bytes:
    """Return what a code is known by; its 68 bits leave nothing to a table of digests."""
    return hashlib.sha256(code.replace("-", "").encode()).digest()


def withdraw(*, batch: CodeBatch, moment: datetime) -> None:
    """Let no more codes of the batch be redeemed; what was redeemed stays, as in a repeat."""
    CodeBatch.objects.filter(pk=batch.pk, withdrawn_at__isnull=True).update(withdrawn_at=moment)


def redeem(
    *, member: Member, code: str, actor: str, moment: datetime, currency: str | None = None
) -> Outcome:
    """Redeem a code for a member and return the event's answer with its points and receipt.

    The same member's repeat answers the first result for ever. Of two members who try at
    once, one succeeds. A wrong code counts against the member, and too many let them wait.

    :raises CodeNotFound: it cannot be redeemed; why not is not told, so that guessing
        teaches nothing. ``tries_left`` says how many more are possible.
    :raises TriedTooOften: the member has to wait.
    """
    tries.check(member_id=member.pk, act=EVENT_TYPE, moment=moment)
    try:
        outcome = retrying(partial(_redeem, member, code, actor, moment, currency))
    except CodeNotFound as refusal:
        left = tries.wrong(member_id=member.pk, act=EVENT_TYPE, moment=moment)
        raise CodeNotFound(tries_left=left) from refusal
    tries.right(member_id=member.pk, act=EVENT_TYPE)
    return outcome


@transaction.atomic
def _redeem(
    member: Member, text: str, actor: str, moment: datetime, currency: str | None
) -> Outcome:
    # A text that cannot be a code is looked for all the same: no answer comes sooner.
    digest = digest_of(vouchers.normalize(text) or text)
    known = (
        EarningCode.objects.select_related("batch", "event")
        .select_for_update(of=("self",))
        .filter(digest=digest)
        .first()
    )
    if known is None or (known.member_id is None and not _is_open(known.batch, moment)):
        raise CodeNotFound
    if known.member_id is not None and known.member_id not in member.rows:
        raise CodeNotFound
    body = _event(known, member, known.redeemed_at or moment)
    outcome = events.process_event(body=body, actor=actor, moment=moment, currency=currency)
    if known.member_id is None:
        event = Event.objects.get(source=SOURCE, external_id=str(known.public_id))
        EarningCode.objects.filter(pk=known.pk).update(
            member=member, event=event, redeemed_at=moment
        )
    return outcome


def _is_open(batch: CodeBatch, moment: datetime) -> bool:
    return (
        batch.withdrawn_at is None
        and (batch.valid_from is None or batch.valid_from <= moment)
        and (batch.valid_until is None or moment < batch.valid_until)
    )


def _event(code: EarningCode, member: Member, at: datetime) -> EventBody:
    payload: dict[str, Any] = {"batch": code.batch.code}
    if code.batch.store:
        payload["store"] = code.batch.store
    if code.batch.amount is not None:
        payload["amount"] = f"{code.batch.amount.normalize():f}"
    return EventBody(
        type=EVENT_TYPE,
        member=MemberRef(id=member.public_id),
        source=SOURCE,
        external_id=str(code.public_id),
        occurred_at=at,
        payload=payload,
    )
