"""Purchases as they stand now, with what came back of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet, Sum

from loyalty_site.lib.problems import NotFound
from members.models import Purchase, ReturnLine


@dataclass(frozen=True, slots=True)
class FoundPurchase:
    """A purchase with the quantity that came back, by line row."""

    row: Purchase
    returned: dict[int, Decimal]


def purchase(public_id: UUID) -> FoundPurchase:
    """Return one purchase.

    :raises NotFound: there is none of that id.
    """
    row = _whole(Purchase.objects.all()).filter(public_id=public_id).first()
    if row is None:
        raise NotFound
    return with_returns([row])[0]


def purchases_of(member_id: int) -> QuerySet[Purchase]:
    """Return a member's purchases with their lines, in no order."""
    return _whole(Purchase.objects.filter(member_id=member_id))


def _whole(rows: QuerySet[Purchase]) -> QuerySet[Purchase]:
    return rows.select_related("member").prefetch_related("lines")


def with_returns(rows: Iterable[Purchase]) -> list[FoundPurchase]:
    """Return the purchases with what came back, read with one query for all."""
    found = list(rows)
    sums = (
        ReturnLine.objects.filter(purchase_line__purchase__in=found)
        .values_list("purchase_line__purchase_id", "purchase_line_id")
        .annotate(Sum("quantity"))
        .order_by("purchase_line_id")
    )
    returned: dict[int, dict[int, Decimal]] = {row.pk: {} for row in found}
    for purchase_id, line_id, quantity in sums:
        returned[purchase_id][line_id] = quantity
    return [FoundPurchase(row, returned[row.pk]) for row in found]
