"""Debts that nobody will pay any more: listed after some months, forgiven by two people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from loyalty_site.lib.errors import DomainError
from members.models import Approval, LedgerAccount, User
from members.services import approvals, ledger
from members.services.approvals import Asked

ACT: Final = "write_off"
MONTHS: Final = 12


class NothingOwed(DomainError):
    """The member owes no points of the currency, or it was asked for already."""

    code = "nothing_owed"
    title = "There is no debt to write off"
    cause = "The member owes nothing any more, or its write-off waits for a second person."
    remedy = "Read the list of debts again."


@dataclass(frozen=True, slots=True)
class OldDebt:
    """Points that a member owes since an instant: none was added and none paid after it."""

    account_id: int
    member_id: int
    number: str
    currency: str
    points: int
    since: datetime


_OLD: Final = """
SELECT a.id, a.member_id, m.number, c.code, -a.balance, l.at
FROM members_ledgeraccount a
JOIN members_member m ON m.id = a.member_id
JOIN members_pointcurrency c ON c.id = a.currency_id
CROSS JOIN LATERAL (
  SELECT max(t.recorded_at) AS at FROM members_ledgerentry e
  JOIN members_ledgertransaction t ON t.id = e.transaction_id WHERE e.account_id = a.id) l
WHERE a.kind = 'debt' AND a.balance < 0
  AND l.at <= %s::timestamptz - make_interval(months => %s::int)
  AND NOT EXISTS (SELECT FROM members_approval p WHERE p.member_id = a.member_id
    AND p.currency_id = a.currency_id AND p.act = 'write_off' AND p.state = 'requested')
ORDER BY l.at, a.id LIMIT %s::int
"""


def old_debts(*, moment: datetime, months: int = MONTHS, limit: int = 100) -> list[OldDebt]:
    """Return debts that did not move for so many months, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_OLD, [moment, months, limit])
        return [OldDebt(*row) for row in cursor.fetchall()]


@transaction.atomic
def request(*, account_id: int, by: User, why: str, moment: datetime) -> Approval:
    """Ask that a debt is forgiven; whatever its size, a second person has to agree.

    :raises NothingOwed: there is none, or it was asked for.
    :raises OwnAccount: the debt is the person's own.
    """
    account = LedgerAccount.objects.filter(pk=account_id, kind="debt").first()
    if account is None or account.member_id is None:
        raise NothingOwed
    _settle(account.member_id, f"staff:{by.pk}", moment)
    account.refresh_from_db()
    waits = Approval.objects.filter(
        act=ACT, member_id=account.member_id, currency_id=account.currency_id, state="requested"
    )
    if account.balance == 0 or waits.exists():
        raise NothingOwed
    asked = Asked(
        program_id=account.program_id,
        act=ACT,
        member_id=account.member_id,
        currency_id=account.currency_id,
        points=-account.balance,
        is_credit=True,
        why=why,
    )
    return approvals.request(asked=asked, by=by, moment=moment)


def post(approval: Approval, moment: datetime) -> None:
    """Forgive what is still owed of what was asked for.

    :raises NothingOwed: it was paid meanwhile.
    """
    actor = f"staff:{approval.requested_by_id}"
    _settle(approval.member_id or 0, actor, moment)
    debt = LedgerAccount.objects.get(
        member_id=approval.member_id or 0, currency_id=approval.currency_id, kind="debt"
    )
    points = min(-debt.balance, approval.points)
    if points == 0:
        raise NothingOwed
    approvals.mark_posted(approval=approval, moment=moment)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_write_off(%s::bigint, %s::bigint, %s::bigint, %s::text, %s::text,"
            " %s::text, %s::timestamptz, %s::timestamptz, %s::text)",
            [
                *(approval.member_id, approval.currency_id, points, ACT),
                *(str(approval.public_id), actor, moment, moment, ACT),
            ],
        )


def _settle(member_id: int, actor: str, moment: datetime) -> None:
    ledger.settle_due(member_ids=[member_id], moment=moment, recorded_at=moment, actor=actor)


approvals.ACTS.add(ACT, _("write-off of a debt"), post)
