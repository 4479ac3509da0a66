"""Purchases as they stand now, with what came back of them."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet

from loyalty_site.lib.problems import NotFound
from members.models import Member, Purchase


def purchase(public_id: UUID) -> Purchase:
    """Return one purchase with its lines and their returns.

    :raises NotFound: there is none of that id.
    """
    row = _whole(Purchase.objects.all()).filter(public_id=public_id).first()
    if row is None:
        raise NotFound
    return row


def purchases_of(member: Member) -> QuerySet[Purchase]:
    """Return a member's purchases with their lines and returns, in no order.

    Those of rows that went into the member's are among them.
    """
    return _whole(Purchase.objects.filter(member__in=member.rows))


def _whole(rows: QuerySet[Purchase]) -> QuerySet[Purchase]:
    return rows.select_related("member").prefetch_related("lines__returned")


def returned(row: Purchase) -> dict[int, Decimal]:
    """Return the quantity that came back, by line row; reads nothing that is prefetched."""
    return {
        line.pk: sum((back.quantity for back in line.returned.all()), Decimal(0))
        for line in row.lines.all()
    }
