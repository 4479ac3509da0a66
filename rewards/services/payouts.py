"""Bank documents that paid donations to a cause, recorded by staff and taken back in one step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.money import plain
from loyalty_site.lib.problems import NotFound
from members.models import User
from rewards.models import Donation, Payout, PayoutLine, Redemption, Reward
from rewards.queries import donations as giving


class PayoutDiffers(DomainError):
    """The document paid another amount than its donations are worth."""

    code = "payout_differs"
    title = "The document does not pay these donations"
    cause = "A payout is recorded against donations that are worth exactly its amount."
    remedy = "Choose the day up to which the document pays, or correct the amount."


class PayoutRecorded(DomainError):
    """The document was recorded before."""

    code = "payout_recorded"
    title = "This document is recorded already"
    cause = "A bank document pays a cause once."
    remedy = "Look it up by its reference; void it there if it was recorded wrongly."


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A bank document; it pays all unpaid donations to the cause made before ``until``."""

    reward: Reward
    document_date: date
    reference: str
    amount: Decimal
    until: datetime


@transaction.atomic
def record(*, document: Document, by: User, moment: datetime) -> Payout:
    """Write down a bank document with the donations that it paid.

    :raises PayoutDiffers: they are worth another amount; nothing is written.
    :raises PayoutRecorded: the reference is that of an earlier document to this cause.
    """
    # One row that everybody who pays this cause waits at, so that no donation is found twice.
    reward = Reward.objects.select_for_update(no_key=True).get(pk=document.reward.pk)
    if Payout.objects.filter(
        reward=reward, reference=document.reference, voided_at__isnull=True
    ).exists():
        raise PayoutRecorded
    found = _locked(reward, document.until)
    worth = giving.worth(found)
    if not found or worth != document.amount:
        raise PayoutDiffers(
            f"The unpaid donations are worth {plain(worth)}.",
            donations=len(found),
            worth=plain(worth),
        )
    payout = Payout.objects.create(
        program_id=reward.program_id,
        reward=reward,
        document_date=document.document_date,
        reference=document.reference,
        amount=document.amount,
        recorded_at=moment,
        recorded_by=by,
    )
    PayoutLine.objects.bulk_create(
        PayoutLine(payout=payout, donation=each, amount=each.amount + each.match_amount)
        for each in found
    )
    return payout


@transaction.atomic
def void(*, payout_id: int, by: User, moment: datetime) -> Payout:
    """Take a payout back that was recorded wrongly; its donations are unpaid again.

    A repeat changes nothing. The row stays with its lines.

    :raises NotFound: there is no such payout.
    """
    payout = Payout.objects.select_for_update(no_key=True).filter(pk=payout_id).first()
    if payout is None:
        raise NotFound
    if payout.voided_at is None:
        payout.voided_at, payout.voided_by = moment, by
        payout.save(update_fields=["voided_at", "voided_by"])
        payout.lines.update(is_open=False)
    return payout


def _locked(reward: Reward, until: datetime) -> list[Donation]:
    """Return the unpaid donations, none of which can be cancelled until this has committed."""
    wanted = giving.unpaid(reward=reward, until=until).values_list("pk", flat=True)
    rows = Redemption.objects.filter(pk__in=list(wanted)).order_by("pk")
    list(rows.select_for_update(no_key=True).values_list("pk"))
    return list(giving.unpaid(reward=reward, until=until))
