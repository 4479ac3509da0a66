"""What a return needs to know of a purchase, read under the member's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.db import connection

from campaigns.clawback import OpenLot
from campaigns.models import Award
from members.models import PointLot, Purchase, PurchaseLine, ReturnLine

# The purchase's own lots and every lot that their points moved on to with the same person: what
# was sent to somebody else is spent.
_OWN_LOTS = """
WITH RECURSIVE own AS (
  SELECT l.id, l.account_id, l.remaining, l.earned_at, l.expires_at
  FROM members_pointlot l WHERE l.transaction_id = %s
  UNION ALL
  SELECT l.id, l.account_id, l.remaining, l.earned_at, l.expires_at
  FROM members_pointlot l JOIN own o ON l.moved_from_id = o.id)
SELECT o.id, o.remaining, o.earned_at, a.kind = 'pending',
  coalesce((SELECT sum(u.points) FROM members_lotuse u
            WHERE u.lot_id = o.id AND u.kind = 'expire'), 0)::bigint
  -- What staff gave back of it has not expired: it is in the lots that came after.
  - coalesce((SELECT sum(n.points) FROM members_pointlot n
              JOIN members_ledgertransaction t ON t.id = n.transaction_id AND t.type = 'reinstate'
              WHERE n.moved_from_id = o.id), 0)::bigint
FROM own o JOIN members_ledgeraccount a ON a.id = o.account_id
  AND a.member_id = ANY (%s::bigint[])
ORDER BY o.expires_at, o.id
"""

# (row, balance, floor) by currency and kind.
Accounts = Mapping[tuple[int, str], tuple[int, int, int]]

_OTHER_LOTS = "SELECT lot_id, points, earned_at FROM ledger_take(%s, %s)"


@dataclass(frozen=True, slots=True)
class BoughtLine:
    """A line with what was bought and what came back of it, in its own unit."""

    row: PurchaseLine
    bought: Decimal
    returned: Decimal
    claimed_returned: Decimal

    @property
    def left(self) -> Decimal:
        """Return what can still come back."""
        return self.bought - self.returned


class Part(NamedTuple):
    """How much of a line comes back."""

    line: BoughtLine
    quantity: Decimal


def is_whole(lines: Sequence[BoughtLine], parts: Sequence[Part]) -> bool:
    """Return whether nothing of the lines is left when the parts have come back."""
    back = {part.line.row.pk: part.quantity for part in parts}
    return all(line.left == back.get(line.row.pk, Decimal(0)) for line in lines)


@dataclass(frozen=True, slots=True)
class OwnLots:
    """The lots that a purchase's points are in, and how many of the points expired."""

    open: tuple[OpenLot, ...]
    expired: int


def bought_lines(purchase: Purchase) -> list[BoughtLine]:
    """Return the purchase's lines, in their order, with what came back.

    What came back before the purchase was claimed earned nothing and stands apart.
    """
    lines = list(PurchaseLine.objects.filter(purchase=purchase).order_by("position"))
    claimed_at = purchase.claimed_at
    returned: dict[int, Decimal] = {}
    before_claim: dict[int, Decimal] = {}
    rows = ReturnLine.objects.filter(purchase_line__in=lines).values_list(
        "purchase_line_id", "quantity", "goods_return__applied_at"
    )
    for line_id, quantity, applied_at in rows:
        returned[line_id] = returned.get(line_id, Decimal(0)) + quantity
        if claimed_at is not None and applied_at is not None and applied_at < claimed_at:
            before_claim[line_id] = before_claim.get(line_id, Decimal(0)) + quantity
    zero = Decimal(0)
    return [
        BoughtLine(
            row=line,
            bought=line.quantity,
            returned=returned.get(line.pk, zero),
            claimed_returned=before_claim.get(line.pk, zero),
        )
        for line in lines
    ]


def awards_of(purchase: Purchase) -> list[Award]:
    """Return the purchase's awards that gave something, in the order of the receipt."""
    return list(
        Award.objects.filter(purchase=purchase, points__gt=0)
        .select_related("currency")
        .order_by("position", "pk")
    )


def own_lots(transaction_id: int, members: Sequence[int]) -> OwnLots:
    """Return the lots that an earn transaction opened, followed to where they moved.

    ``members`` are the rows of the person: the purchase's, and whom it went into.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OWN_LOTS, [transaction_id, list(members)])
        rows = cursor.fetchall()
    return OwnLots(
        open=tuple(OpenLot(*row[:4]) for row in rows if row[1] > 0),
        expired=sum(row[4] for row in rows),
    )


def holders_of(lots: Iterable[int]) -> dict[int, int]:
    """Return for each lot the row of the member whose account it is on."""
    rows = PointLot.objects.filter(pk__in=list(lots))
    return dict(rows.values_list("pk", "account__member"))


def other_lots(available_account: int, points: int, own: Sequence[OpenLot]) -> list[OpenLot]:
    """Return the soonest lots of an account that hold ``points`` beside the purchase's own."""
    mine = {lot.id for lot in own}
    wanted = points + sum(lot.remaining for lot in own)
    with connection.cursor() as cursor:
        cursor.execute(_OTHER_LOTS, [available_account, wanted])
        return [
            OpenLot(lot, remaining, earned_at, is_pending=False)
            for lot, remaining, earned_at in cursor.fetchall()
            if lot not in mine
        ]


def accounts_of(member_id: int) -> Accounts:
    """Return (row, balance, floor) of a member's accounts by currency and kind."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT currency_id, kind, id, balance, floor FROM members_ledgeraccount"
            " WHERE member_id = %s",
            [member_id],
        )
        return {(row[0], row[1]): (row[2], row[3], row[4]) for row in cursor.fetchall()}


def expired_counted(purchase: Purchase) -> Mapping[str, int]:
    """Return by currency what earlier returns counted as already expired."""
    counted: dict[str, int] = {}
    for points in purchase.returns.filter(state="applied").values_list("points", flat=True):
        for code, figures in points.get("by_currency", {}).items():
            counted[code] = counted.get(code, 0) + figures["already_expired"]
    return counted
