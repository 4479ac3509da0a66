"""Points that a member misses: found by the receipt, or left to staff as a case.

A receipt's number, day and total together must be those of exactly one purchase that nobody has;
then it is claimed like any other, once and by the rules of its moment. Whatever else is told
becomes a case, with the same answer whether such a purchase is somebody else's or nobody's, and
counts as a wrong guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from campaigns.models import ClaimCase
from campaigns.queries import missing
from campaigns.queries.missing import ClaimTerms, Receipt
from campaigns.services import claims
from campaigns.services.claims import AlreadyClaimed, ClaimTooLate
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.retries import retrying
from members.models import Member, User
from members.services import ledger, outbox, tries

ACT = "claim"

State = ClaimCase.State


class ClaimsOff(DomainError):
    """Members do not claim purchases themselves in this program."""

    code = "claims_off"
    status = 404
    title = "Members cannot claim purchases themselves"
    cause = "The program file has no `claims`."
    remedy = "Ask in a shop: a till can claim for you as long as `claim_days` allow it."


class TooManyCases(DomainError):
    """As many cases wait for staff as a member may have."""

    code = "too_many_claims"
    title = "Other receipts wait to be looked at first"
    cause = "A member can have only so many cases with staff at a time."
    remedy = "Wait until the others are decided."


class CaseDecided(DomainError):
    """Staff decided the case before."""

    code = "claim_decided"
    title = "The case is decided already"
    cause = "A case is granted or refused once."
    remedy = "Read the case again."


@dataclass(frozen=True, slots=True)
class Told:
    """What became of a receipt: the purchase's answer where it matched, else the case."""

    purchase: dict[str, Any] | None
    case: ClaimCase | None


def claim_by_receipt(*, member: Member, receipt: Receipt, actor: str, moment: datetime) -> Told:
    """Give the member the one purchase that the receipt names, or open a case; a repeat finds it.

    :raises ClaimsOff: the program does not let members claim.
    :raises ClaimTooLate: the receipt's day is too long ago, or lies ahead.
    :raises AlreadyClaimed: the member has the points of this receipt.
    :raises TriedTooOften: too many receipts in a row matched nothing.
    :raises TooManyCases: as many cases wait as may.
    """
    terms = _terms(member)
    tries.check(member_id=member.pk, act=ACT, moment=moment)
    zone = ZoneInfo(member.program.timezone)
    if not terms.first_day(moment, zone) <= receipt.day <= moment.astimezone(zone).date():
        raise ClaimTooLate(claim_days=terms.lookback_days)
    if missing.is_credited(member, receipt):
        raise AlreadyClaimed("The points of this receipt are yours already.")
    waiting = _waiting(member, receipt, terms)
    if waiting is not None:
        return Told(None, waiting)
    found = missing.matches(member, receipt)
    if len(found) == 1:
        try:
            answer = _claimed(found[0].public_id, member, actor, moment, terms)
        except AlreadyClaimed:
            # Somebody else was quicker: as good as nobody's.
            pass
        else:
            tries.right(member_id=member.pk, act=ACT)
            return Told(answer, None)
    tries.wrong(member_id=member.pk, act=ACT, moment=moment)
    return Told(None, _opened(member, receipt, terms, moment))


def claim_from_before(
    *, member: Member, public_id: UUID, actor: str, moment: datetime
) -> dict[str, Any]:
    """Give a member a purchase that named them before they joined; return its answer.

    :raises ClaimsOff: the program does not let members claim.
    :raises AlreadyClaimed: it is none of those, or was claimed.
    """
    terms = _terms(member)
    since = terms.first_day(moment, ZoneInfo(member.program.timezone))
    own = {each.public_id for each in missing.before_joining(member, since=since)}
    if public_id not in own:
        raise AlreadyClaimed
    return _claimed(public_id, member, actor, moment, terms)


def grant(*, case_id: int, purchase: UUID, by: User, moment: datetime) -> ClaimCase:
    """Give the member of a case the purchase that staff found, however long ago it was.

    :raises CaseDecided: it was decided before.
    :raises AlreadyClaimed: the purchase belongs to somebody.
    :raises NotFound: there is no such purchase.
    """
    case: ClaimCase = retrying(lambda: _grant(case_id, purchase, by, moment))
    return case


@transaction.atomic
def refuse(*, case_id: int, answer: str, by: User, moment: datetime) -> ClaimCase:
    """Refuse a case with an answer that the member reads.

    :raises CaseDecided: it was decided before.
    """
    case = _locked(case_id)
    case.state, case.answer = State.REFUSED, answer[:200]
    _decided(case, by, moment, points=0)
    return case


def _terms(member: Member) -> ClaimTerms:
    terms = missing.terms_of(member.program)
    if terms is None:
        raise ClaimsOff
    return terms


def _claimed(
    public_id: UUID, member: Member, actor: str, moment: datetime, terms: ClaimTerms
) -> dict[str, Any]:
    def act() -> dict[str, Any]:
        with transaction.atomic():
            outcome = claims.claim_for(
                public_id=public_id,
                claimant=member,
                actor=actor,
                moment=moment,
                days=terms.lookback_days,
            )
            body: dict[str, Any] = outcome.body
            return body

    return retrying(act)


def _waiting(member: Member, receipt: Receipt, terms: ClaimTerms) -> ClaimCase | None:
    """Return the case that waits for this very receipt.

    Asked before anything is looked for: who has as many cases as may wait guesses no further.
    """
    waiting = ClaimCase.objects.filter(member=member, state=State.OPEN)
    same = waiting.filter(receipt=receipt.number, day=receipt.day, total=receipt.total).first()
    if same is None and waiting.count() >= terms.cases_max:
        raise TooManyCases
    return same


@transaction.atomic
def _opened(member: Member, receipt: Receipt, terms: ClaimTerms, moment: datetime) -> ClaimCase:
    # Two presses at once open one case, and no more cases than may wait.
    ledger.lock(member_ids=[member.pk])
    waiting = _waiting(member, receipt, terms)
    if waiting is not None:
        return waiting
    return ClaimCase.objects.create(
        program=member.program,
        member=member,
        receipt=receipt.number,
        day=receipt.day,
        total=receipt.total,
        made_at=moment,
    )


@transaction.atomic
def _grant(case_id: int, purchase: UUID, by: User, moment: datetime) -> ClaimCase:
    unlocked = ClaimCase.objects.select_related("member__merged_into").get(pk=case_id)
    member = unlocked.member.merged_into or unlocked.member
    # The business key of the purchase, then the member, as every claim takes them.
    outcome = claims.claim_for(
        public_id=purchase, claimant=member, actor=f"staff:{by.pk}", moment=moment, days=None
    )
    case = _locked(case_id)
    case.state = State.GRANTED
    case.purchase_id = claims.key_of(purchase)
    _decided(case, by, moment, points=outcome.body["points"]["granted"])
    return case


def _locked(case_id: int) -> ClaimCase:
    case = ClaimCase.objects.select_for_update(no_key=True).get(pk=case_id)
    if case.state != State.OPEN:
        raise CaseDecided
    return case


def _decided(case: ClaimCase, by: User, moment: datetime, *, points: int) -> None:
    case.decided_at, case.decided_by = moment, by
    case.save()
    outbox.record(
        program_id=case.program_id,
        kind="claim_decided",
        member_id=case.member_id,
        payload={"claim": str(case.public_id), "state": str(case.state), "points": points},
        moment=moment,
    )


def forget(*, members: list[int]) -> None:
    """Remove the cases of erased members, and empty what those that were granted say."""
    ClaimCase.objects.filter(member__in=members).exclude(state=State.GRANTED).delete()
    ClaimCase.objects.filter(member__in=members).update(receipt="", answer="")
