"""Redemptions and vouchers as they stand at a moment."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from loyalty_site.lib.problems import NotFound
from members.models import Member
from rewards.models import Redemption, Voucher


def state_at(redemption: Redemption, moment: datetime) -> str:
    """Return the state; a hold past its time is expired, whether or not the job has run."""
    expires_at = redemption.hold_expires_at
    if redemption.state == Redemption.State.HELD and expires_at and expires_at <= moment:
        return Redemption.State.EXPIRED.value
    return redemption.state


def voucher_state_at(voucher: Voucher, moment: datetime) -> str:
    """Return the state; a voucher past its time is expired."""
    is_over = voucher.expires_at is not None and voucher.expires_at <= moment
    if voucher.state == Voucher.State.ISSUED and is_over:
        return Voucher.State.EXPIRED.value
    return voucher.state


def redemption_of(*, public_id: UUID, member_id: int | None = None) -> Redemption:
    """Return a redemption with its reward, member and voucher.

    :raises NotFound: there is none, or it belongs to another member than ``member_id``.
    """
    found = joined().filter(public_id=public_id)
    if member_id is not None:
        found = found.filter(is_of(member_id))
    redemption = found.first()
    if redemption is None:
        raise NotFound
    return redemption


def is_of(member_id: int) -> Q:
    """Return whether a redemption is the member's, or of a row that went into the member's."""
    return Q(member_id=member_id) | Q(member__merged_into_id=member_id)


def joined() -> QuerySet[Redemption]:
    """Return redemptions with what their answers show."""
    return Redemption.objects.select_related("reward", "member", "voucher")


def codes_of(*, member: Member, limit: int = 100) -> list[Redemption]:
    """Return the member's latest redemptions, newest first.

    Those of rows that went into the member's are among them.
    """
    return list(joined().filter(member__in=member.rows).order_by("-created_at", "-pk")[:limit])
