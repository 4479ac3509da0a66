"""Pending points that wait for something: make them available when it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import QuerySet

from loyalty_site.lib.errors import DomainError
from members.models import LedgerAccount, PointLot
from members.services import ledger, outbox

APPROVAL = "approval"

# The lots that a transaction opened, and those that their points moved on to.
_OF_TRANSACTIONS = """
WITH RECURSIVE own AS (
  SELECT l.id, l.account_id, l.remaining, l.waits_for FROM members_pointlot l
  JOIN members_ledgertransaction t ON t.id = l.transaction_id
  WHERE t.source = %s AND t.external_ref = %s AND t.type = 'earn'
  UNION ALL
  SELECT l.id, l.account_id, l.remaining, l.waits_for
  FROM members_pointlot l JOIN own o ON l.moved_from_id = o.id)
SELECT o.account_id, array_agg(o.id ORDER BY o.id) FROM own o
JOIN members_ledgeraccount a ON a.id = o.account_id AND a.kind = 'pending'
WHERE o.remaining > 0 AND o.waits_for = %s AND a.member_id = %s GROUP BY 1 ORDER BY 1
"""


class NothingWaits(DomainError):
    """The points do not wait any more."""

    code = "nothing_waits"
    title = "These points do not wait"
    cause = "They were made available, or taken back by a return, meanwhile."
    remedy = "Read the member's lots again; they say what each of them waits for."


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What earned the points: the source and the reference of its ledger transactions."""

    source: str
    external_ref: str


def release_of(
    *,
    origin: Origin,
    waits_for: str,
    member_id: int,
    at: datetime,
    recorded_at: datetime,
    actor: str,
) -> int:
    """Make available what waits for ``waits_for`` of one origin, as of ``at``; return how many.

    It is dated when it came, but not before the points were earned. Points that ended while they
    waited get the currency's days of grace. The member is locked and settled. A repeat finds
    nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute(_OF_TRANSACTIONS, [origin.source, origin.external_ref, waits_for, member_id])
        found = cursor.fetchall()
    return sum(_activate(account, lots, at, recorded_at, actor) for account, lots in found)


@transaction.atomic
def release_lots(*, lot_ids: Sequence[int], moment: datetime, actor: str) -> int:
    """Make waiting lots available now, by the hand of staff; return how many points.

    :raises NothingWaits: one of them does not wait any more.
    """
    members = set(_waiting(lot_ids).values_list("account__member_id", flat=True))
    ledger.settle_due(
        member_ids=sorted(filter(None, members)),
        moment=moment,
        recorded_at=moment,
        actor=actor,
    )
    accounts: dict[int, list[int]] = {}
    for lot in _waiting(lot_ids).order_by("account_id", "pk"):
        accounts.setdefault(lot.account_id, []).append(lot.pk)
    if sum(map(len, accounts.values())) < len(set(lot_ids)):
        raise NothingWaits
    points = sum(
        _activate(account, lots, moment, moment, actor) for account, lots in accounts.items()
    )
    outbox.ring()
    return points


def _waiting(lot_ids: Sequence[int]) -> QuerySet[PointLot]:
    return PointLot.objects.filter(
        pk__in=list(lot_ids), remaining__gt=0, account__kind=LedgerAccount.Kind.PENDING
    ).exclude(waits_for="")


def _activate(
    account: int, lots: Sequence[int], at: datetime, recorded_at: datetime, actor: str
) -> int:
    points = sum(PointLot.objects.filter(pk__in=list(lots)).values_list("remaining", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_activate(%s::bigint, %s::timestamptz, %s::timestamptz, %s::text,"
            " %s::bigint[])",
            [account, at, recorded_at, actor, list(lots)],
        )
    return points
