"""The months with partners: drafts that a job proposes, and statements that staff close."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Case, Count, F, Q, Sum, When

from loyalty_site.lib import calendars
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import NotFound
from members.models import Partner, PartnerMovement, PartnerStatement, User
from members.services.jobs import Job, Trouble

Kind = PartnerMovement.Kind


class MonthNotOver(DomainError):
    """Movements can still come into the month."""

    code = "month_not_over"
    title = "The month is not over"
    cause = "A statement is closed once nothing can come into its month any more."
    remedy = "Close it on the first day of the next month, or later."


@transaction.atomic
def draft(*, partner: Partner, month: date, moment: datetime) -> PartnerStatement:
    """Return the partner's statement of a month, counted anew unless it is closed."""
    # Whoever writes a movement holds the same row.
    with connection.cursor() as cursor:
        cursor.execute("SELECT partner_lock(%s::bigint)", [partner.pk])
    found = PartnerStatement.objects.filter(partner=partner, month=month).first()
    if found is not None and found.closed_at is not None:
        return found
    statement = found or PartnerStatement(partner=partner, month=month)
    figures = _figures(partner, month)
    if found is not None and all(getattr(found, name) == figures[name] for name in figures):
        return found
    for name, value in figures.items():
        setattr(statement, name, value)
    statement.made_at = moment
    statement.save()
    return statement


@transaction.atomic
def close(*, statement_id: int, by: User, moment: datetime) -> PartnerStatement:
    """Count a month for the last time and close it for ever; a repeat changes nothing.

    :raises NotFound: there is no such statement.
    :raises MonthNotOver: the month still runs.
    """
    found = (
        PartnerStatement.objects.filter(pk=statement_id).select_related("partner__program").first()
    )
    if found is None:
        raise NotFound
    zone = ZoneInfo(found.partner.program.timezone)
    if moment < calendars.start_of_day(_next(found.month), zone):
        raise MonthNotOver
    statement = draft(partner=found.partner, month=found.month, moment=moment)
    if statement.closed_at is None:
        statement.closed_at, statement.closed_by = moment, by
        statement.save(update_fields=["closed_at", "closed_by"])
    return statement


def propose(moment: datetime, _trouble: Trouble) -> int:
    """Draft the statements of all months that are over and not closed; return how many."""
    return sum(1 for _ in _proposed(moment))


def _proposed(moment: datetime) -> Iterator[PartnerStatement]:
    for partner in Partner.objects.select_related("program").order_by("pk"):
        first = calendars.local_day(moment, ZoneInfo(partner.program.timezone)).replace(day=1)
        months = set(
            PartnerMovement.objects.filter(partner=partner, month__lt=first).values_list(
                "month", flat=True
            )
        )
        closed = PartnerStatement.objects.filter(partner=partner, closed_at__isnull=False)
        for month in sorted(months - set(closed.values_list("month", flat=True))):
            yield draft(partner=partner, month=month, moment=moment)


def entries(statement: PartnerStatement) -> list[dict[str, Any]]:
    """Return the movements of a statement, oldest first, as rows of a file.

    Members are named by the partner's own references alone.
    """
    rows = PartnerMovement.objects.filter(partner=statement.partner_id, month=statement.month)
    return [
        {
            "reference": row.external_id,
            "kind": row.kind,
            "state": row.state,
            "recorded_at": row.recorded_at.isoformat(),
            "points": row.points,
            "units": row.units,
            "rate": row.rate,
            "price": row.price,
            "amount": row.amount,
            "transaction": str(row.transaction.public_id) if row.transaction else "",
        }
        for row in rows.select_related("transaction").order_by("pk")
    ]


def _figures(partner: Partner, month: date) -> dict[str, Any]:
    given = Q(kind__in=[Kind.CREDIT, Kind.EXCHANGE_IN])
    found = PartnerMovement.objects.filter(partner=partner, month=month).aggregate(
        movements=Count("pk"),
        points_given=Sum("points", filter=given),
        points_taken=Sum(
            Case(
                When(kind=Kind.EXCHANGE_OUT, then=F("points")),
                When(kind=Kind.EXCHANGE_BACK, then=-F("points")),
            )
        ),
        net_amount=Sum("amount"),
    )
    zero = {"points_given": 0, "points_taken": 0, "net_amount": Decimal(0)}
    return found | {name: found[name] or none for name, none in zero.items()}


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


PROPOSE_STATEMENTS = Job(name="propose_statements", chunk=propose, in_chunks=False)
