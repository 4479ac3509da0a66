"""Erasure across the apps: what stands above members is emptied in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from campaigns.models import Event, SurveyAnswer
from campaigns.services import missing
from members.models import Member
from members.services import ledger, pool_ends, privacy
from members.services.erasure_log import Erasure
from rewards.models import Redemption
from rewards.services import redemptions


@transaction.atomic
def erase_member(*, member: Member, confirm: str, actor: str, moment: datetime) -> dict[str, int]:
    """Erase the person and return the points forfeited by currency; see ``privacy.erase``.

    Redemptions that are still held are cancelled first, so that their pieces are free again.

    :raises Invalid: ``confirm`` is not the member number.
    :raises MemberErased: it was done before.
    """
    privacy.require_confirmation(member, confirm)
    # What is cancelled locks its payer, and leaving a pool everybody in it: all at once, in order.
    ledger.lock(member_ids=[member.pk, *pool_ends.people_around(member.pk)])
    held = Redemption.objects.filter(
        member=member, state=Redemption.State.HELD, hold_expires_at__gt=moment
    )
    for public_id in held.order_by("pk").values_list("public_id", flat=True):
        redemptions.cancel(
            public_id=public_id, caller=actor, moment=moment, reason="erasure", member_id=member.pk
        )
    forfeited = privacy.erase(member=member, confirm=confirm, actor=actor, moment=moment)
    # Whatever a source put into an event, or a person wrote as a reason, may be personal.
    Event.objects.filter(member__in=member.rows).update(payload={})
    SurveyAnswer.objects.filter(member__in=member.rows).update(answers={})
    Redemption.objects.filter(member__in=member.rows).update(cancel_reason="")
    missing.forget(members=member.rows)
    return forfeited


def erase_again(erasures: Iterable[Erasure]) -> int:
    """Erase whom the log says was erased and a restored database still knows; return how many.

    Each is dated as it was then. Whoever is erased already, or joined after the backup, is passed
    over, so that a repeat changes nothing.
    """
    erased = 0
    for each in erasures:
        member = Member.objects.filter(public_id=each.public_id).first()
        if member is None or member.status == Member.Status.ERASED:
            continue
        erase_member(member=member, confirm=member.number, actor="restore", moment=each.erased_at)
        erased += 1
    return erased
