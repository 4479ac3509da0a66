"""Partners as the program file states them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from loyalty_site.lib.errors import DomainError
from members.models import LedgerAccount, Partner, PartnerRate, PointCurrency, Program


class PartnerFixed(DomainError):
    """A partner cannot change its currency or how it pays."""

    code = "partner_fixed"
    title = "A partner keeps its currency and its funding"
    cause = "Its points were counted, paid for and settled in them."
    remedy = "Give the new agreement a partner of its own, and leave the old one out."


def apply_partners(
    *, program: Program, rows: Iterable[Mapping[str, Any]], moment: datetime
) -> None:
    """Make the partners equal to the file's; what it leaves out is retired.

    A repeat changes nothing. Rates of the past can be stated anew, but what was moved keeps the
    rates of its moment.

    :raises PartnerFixed: a partner would change its currency or its funding.
    """
    kept = []
    for row in rows:
        partner = _partner(program, row, moment)
        _open_account(partner)
        _set_rates(partner, row["rates"])
        kept.append(partner.pk)
    gone = Partner.objects.filter(program=program, is_retired=False).exclude(pk__in=kept)
    gone.update(is_retired=True, changed_at=moment)


def _partner(program: Program, row: Mapping[str, Any], moment: datetime) -> Partner:
    currency = PointCurrency.objects.get(program=program, code=row["currency"])
    found = Partner.objects.filter(program=program, code=row["code"]).first()
    fixed = (currency.pk, row["funding"])
    if found is not None and (found.currency_id, found.funding) != fixed:
        raise PartnerFixed(f"{found.code} is {found.funding}.")
    partner = found or Partner(
        program=program, code=row["code"], currency=currency, funding=row["funding"]
    )
    caps = row.get("caps") or {}
    wanted = {
        "name": dict(row["name"]),
        "unit": row["unit"] or "",
        "given_per_day": caps.get("given_per_day"),
        "taken_per_day": caps.get("taken_per_day"),
        "is_retired": False,
    }
    if found is None or any(getattr(partner, key) != value for key, value in wanted.items()):
        for key, value in wanted.items():
            setattr(partner, key, value)
        partner.changed_at = moment
        partner.save()
    return partner


def _open_account(partner: Partner) -> None:
    LedgerAccount.objects.get_or_create(
        program_id=partner.program_id,
        currency_id=partner.currency_id,
        currency_kind=partner.currency.kind,
        member=None,
        kind=f"partner:{partner.code}",
    )


def _set_rates(partner: Partner, rows: Iterable[Mapping[str, Any]]) -> None:
    kept = []
    for row in rows:
        starts_at = datetime.fromisoformat(row["starts_at"])
        PartnerRate.objects.update_or_create(
            partner=partner,
            starts_at=starts_at,
            defaults={
                "rate_in": _decimal(row["rate_in"]),
                "rate_out": _decimal(row["rate_out"]),
                "price_in": Decimal(row["price_in"]),
                "price_out": Decimal(row["price_out"]),
            },
        )
        kept.append(starts_at)
    PartnerRate.objects.filter(partner=partner).exclude(starts_at__in=kept).delete()


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
