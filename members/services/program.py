"""What a program file says about the program, its currencies and its tiers, as rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db import connection

from loyalty_site.lib.errors import DomainError
from members.models import LedgerAccount, PointCurrency, Program, Tier
from members.services.accounts import open_accounts_in

# Held by whoever rewrites the program's document; two at once would lose one another's changes.
LOCK_KEY = 712_604_002

PROGRAM_ACCOUNTS = (
    "issued",
    "redeemed",
    "expired",
    "adjusted",
    "moved",
    "fees",
    "donated",
    "sold",
)
# The floor of a debt without a limit: more than any sensible balance, less than a bigint.
NO_LIMIT = 10**12

# Whoever was enrolled before there were tiers starts on the lowest at enrolment.
_START_ON_LOWEST = """
INSERT INTO members_tiermembership (member_id, tier_id, starts_at, evidence, recorded_at)
SELECT m.id, %s, m.enrolled_at, '{"cause": "enrolled", "value": 0, "threshold": 0}', m.recorded_at
FROM members_member m
WHERE m.program_id = %s AND m.status <> 'pool'
  AND NOT EXISTS (SELECT FROM members_tiermembership t WHERE t.member_id = m.id)
"""

# A debt that is already deeper than a new limit keeps its place.
_SET_FLOORS = """
UPDATE members_ledgeraccount SET floor = least(balance, %s)
WHERE currency_id = %s AND kind = 'debt' AND floor <> least(balance, %s)
"""


class CurrencyKindFixed(DomainError):
    """A point currency cannot change what it is good for."""

    code = "currency_kind_fixed"
    title = "A point currency keeps its kind"
    cause = "Accounts and entries of the currency rely on its kind."
    remedy = "Give the new kind a code of its own."


# What was decided by the rules of before is decided anew.
_LOOK_AGAIN = """
UPDATE members_tiermembership SET grace_ends_at = NULL
WHERE superseded_at IS NULL AND ends_at IS NULL AND grace_ends_at IS NOT NULL
"""


def apply_program(wanted: Mapping[str, Any]) -> Program:
    """Write program, currencies and tiers from the canonical document; a repeat changes nothing.

    :raises CurrencyKindFixed: a currency would change between redeemable and qualifying.
    """
    said = wanted["program"]
    fields = ("code", "name", "currency", "timezone", "locale", "claim_days")
    values = {name: said[name] for name in fields}
    program = Program.objects.first() or Program()
    for name, value in values.items():
        setattr(program, name, value)
    program.tier_policy = _tier_policy(wanted.get("tiers"))
    program.pools = {terms["kind"]: terms for terms in wanted.get("pools") or []}
    program.save()
    _apply_currencies(program, wanted["points"])
    _apply_tiers(program, (wanted.get("tiers") or {}).get("ladder") or [])
    return program


def _tier_policy(tiers: Mapping[str, Any] | None) -> dict[str, Any]:
    if not tiers:
        return {}
    policy = tiers["policy"]
    return {
        "currency": policy["currency"],
        "months": policy["window"]["months"],
        "downgrade": policy["downgrade"],
        "grace_days": policy["grace_days"],
        "undo_upgrade_days": policy["undo_upgrade_days"],
    }


def _apply_currencies(program: Program, rows: Iterable[Mapping[str, Any]]) -> None:
    kept = []
    for position, row in enumerate(rows):
        currency = PointCurrency.objects.filter(program=program, code=row["code"]).first()
        if currency is not None and currency.kind != row["kind"]:
            raise CurrencyKindFixed(f"{row['code']} is {currency.kind}.")
        is_new = currency is None
        currency = currency or PointCurrency(program=program, code=row["code"], kind=row["kind"])
        _fill(currency, row, position)
        currency.save()
        if is_new:
            _open_program_accounts(currency)
            open_accounts_in(currency.pk)
        _set_floors(currency)
        kept.append(currency.pk)
    PointCurrency.objects.filter(program=program).exclude(pk__in=kept).update(is_retired=True)


def _fill(currency: PointCurrency, row: Mapping[str, Any], position: int) -> None:
    returns = row["returns"]
    limit = returns["limit"]
    currency.position = position
    currency.names = row["names"]
    currency.value = Decimal(row["value"] or 0)
    # Points that were earned while acts renewed them are renewed by them for as long as they last.
    renewed_by = row["expiry"].get("renewed_by") or currency.expiry.get("renewed_by")
    currency.expiry = {**row["expiry"], "renewed_by": renewed_by}
    currency.pending_days = row["pending_days"]
    currency.pending = row.get("pending")
    currency.returns_policy = returns["policy"]
    currency.debt_limit = NO_LIMIT if limit is None else limit
    currency.grace_days = returns["grace_days"]
    currency.transfers = row.get("transfers") or {}
    currency.is_retired = False


def _open_program_accounts(currency: PointCurrency) -> None:
    LedgerAccount.objects.bulk_create(
        LedgerAccount(
            program_id=currency.program_id,
            currency=currency,
            currency_kind=currency.kind,
            kind=kind,
        )
        for kind in PROGRAM_ACCOUNTS
    )


def _set_floors(currency: PointCurrency) -> None:
    floor = -currency.debt_limit if currency.returns_policy == "into_debt" else 0
    with connection.cursor() as cursor:
        cursor.execute(_SET_FLOORS, [floor, currency.pk, floor])


def _apply_tiers(program: Program, ladder: Iterable[Mapping[str, Any]]) -> None:
    # Retired first, so that thresholds can change places.
    Tier.objects.filter(program=program).update(is_retired=True)
    tiers = [
        Tier.objects.update_or_create(
            program=program,
            code=rung["code"],
            defaults={
                "name": rung["name"],
                "threshold": rung["threshold"],
                "benefits": list(rung["benefits"]),
                "is_retired": False,
            },
        )[0]
        for rung in ladder
    ]
    if tiers:
        lowest = min(tiers, key=lambda tier: tier.threshold)
        with connection.cursor() as cursor:
            cursor.execute(_START_ON_LOWEST, [lowest.pk, program.pk])
            cursor.execute(_LOOK_AGAIN)
