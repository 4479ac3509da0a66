"""A program, its members and their points, made through the ORM for tests of members."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection

from loyalty_site.lib.wire import dumps
from members.models import LedgerAccount, Member, PointCurrency, Program, Tier
from members.services.enrolment import enrol
from members.services.program import PROGRAM_ACCOUNTS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
COUNTERS = PROGRAM_ACCOUNTS

_references = count(1)


def make_program(*, timezone: str = "UTC") -> Program:
    """Return a program with points, status points and the tiers bronze, silver and gold."""
    program = Program.objects.create(
        code="main",
        name="Alva Club",
        currency="EUR",
        timezone=timezone,
        tier_policy={
            "currency": "status",
            "months": 12,
            "downgrade": "one_step",
            "grace_days": 30,
        },
        version=1,
    )
    kinds = [("points", "redeemable", "0.01"), ("status", "qualifying", "0")]
    for position, (code, kind, value) in enumerate(kinds):
        currency = PointCurrency.objects.create(
            program=program,
            code=code,
            kind=kind,
            position=position,
            value=value,
            names={"en": {"one": "point", "other": "points"}},
            debt_limit=500,
        )
        for counter in COUNTERS:
            LedgerAccount.objects.create(
                program=program, currency=currency, currency_kind=kind, kind=counter
            )
    for code, threshold in [("bronze", 0), ("silver", 500), ("gold", 2000)]:
        name = {"en": code.title(), "ru": f"{code}-ru"}
        Tier.objects.create(program=program, code=code, name=name, threshold=threshold)
    return program


def make_member(identifier: str = "6011000001", *, moment: datetime = NOON, **told: Any) -> Member:
    """Return a member enrolled with a card and whatever else is told."""
    pairs = told.pop("identifiers", [("card", identifier)])
    return enrol(identifiers=pairs, moment=moment, actor="test", **told).member


def account(member: Member, kind: str = "available", code: str = "points") -> int:
    """Return the key of one of the member's accounts."""
    return LedgerAccount.objects.get(member=member, kind=kind, currency__code=code).pk


def counter(kind: str, code: str = "points") -> int:
    """Return the key of a counter-account."""
    return LedgerAccount.objects.get(member=None, kind=kind, currency__code=code).pk


def earn(
    member: Member,
    points: int,
    *,
    at: datetime = NOON,
    recorded_at: datetime | None = None,
    available_at: datetime | None = None,
    expires_at: datetime | None = None,
    code: str = "points",
    source: str = "grant",
    ref: str | None = None,
) -> int:
    """Post an earn, pending until ``available_at``, paying debt; return its key."""
    is_pending = available_at is not None and available_at > at
    target = account(member, "pending" if is_pending else "available", code)
    owed = 0
    if code == "points" and not is_pending:
        owed = -LedgerAccount.objects.get(pk=account(member, "debt")).balance
    paid = min(points, owed)
    lots, uses = [], []
    if code == "points":
        lot = {"h": 0, "account": target, "points": points, "earned_at": at}
        lots = [{**lot, "available_at": available_at or at, "expires_at": expires_at}]
        uses = [{"h": 0, "new": 0, "points": paid, "kind": "debt"}] if paid else []
    legs = [(counter("issued", code), -points), (target, points - paid)]
    if paid:
        legs.append((account(member, "debt"), paid))
    return post(
        member,
        {"type": "earn", "source": source, "occurred_at": at, "ref": ref},
        legs,
        code=code,
        lots=lots,
        uses=uses,
        moment=recorded_at or at,
    )


def post(
    member: Member,
    header: Mapping[str, Any],
    legs: list[tuple[int, int]],
    *,
    code: str = "points",
    lots: list[dict[str, Any]] | None = None,
    uses: list[dict[str, Any]] | None = None,
    moment: datetime = NOON,
) -> int:
    """Post one transaction through the books' own function; return its key."""
    currency = PointCurrency.objects.get(code=code)
    told = {key: value for key, value in header.items() if value is not None}
    document = {
        "headers": [
            {
                "member": member.pk,
                "currency": currency.pk,
                "ref": f"test-{next(_references)}",
                "actor": "test",
                **told,
            }
        ],
        "lots": lots or [],
        "uses": uses or [],
        "entries": [{"h": 0, "account": key, "points": points} for key, points in legs if points],
    }
    return int(
        scalar(
            "SELECT (ledger_post(%s::bigint, %s::timestamptz, %s::jsonb))[1]",
            *(member.program_id, moment, dumps(document).decode()),
        )
    )


def debit(
    member: Member,
    points: int,
    *,
    at: datetime = NOON,
    kind: str = "redeem",
    hold_expires_at: datetime | None = None,
    ref: str | None = None,
) -> int:
    """Redeem or hold points; return the transaction's key."""
    return int(
        scalar(
            "SELECT ledger_debit(%s::bigint, %s::bigint, %s::bigint, %s, 'redemption', %s, 'test',"
            " %s::timestamptz, %s::timestamptz, %s::timestamptz)",
            member.pk,
            PointCurrency.objects.get(code="points").pk,
            points,
            kind,
            ref or f"r-{next(_references)}",
            at,
            at,
            hold_expires_at,
        )
    )


def owe(member: Member, points: int, *, at: datetime = NOON) -> None:
    """Leave the member in debt, as a return after the points were spent does."""
    earned = earn(member, points, at=at)
    debit(member, points, at=at)
    post(
        member,
        {"type": "clawback", "source": "return", "occurred_at": at, "reverses": earned},
        [(account(member, "debt"), -points), (counter("issued"), points)],
        moment=at,
    )


def settle(member: Member, moment: datetime) -> int:
    """Post what is due; return how many transactions it took."""
    return int(
        scalar(
            "SELECT ledger_settle_due(ARRAY[%s]::bigint[], %s::timestamptz, %s::timestamptz,"
            " 'test')",
            *(member.pk, moment, moment),
        )
    )


def scalar(sql: str, *values: Any) -> Any:
    """Return the first value of the first row."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return row[0] if row else None
