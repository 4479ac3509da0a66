"""Rows and judgements in the words of the wire contract."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from campaigns.models import ClaimCase
from loyalty_site.lib import money
from members.models import Purchase

NO_POINTS = {"granted": 0, "available": 0, "pending": 0, "paid_debt": 0}


def earned(evaluation: Mapping[str, Any], currency: str) -> dict[str, Any]:
    """Return the points, receipt, other awards and what did not apply, in one currency.

    ``grants`` are what rules gave beside points.
    """
    awards = evaluation["awards"]
    return {
        "points": evaluation["points"].get(currency, NO_POINTS),
        "receipt": [_row(each) for each in awards if each["currency"] == currency],
        "other_awards": [
            {"currency": each["currency"], **_row(each)}
            for each in awards
            if each["currency"] != currency
        ],
        "grants": evaluation.get("grants", []),
        "not_applied": evaluation["not_applied"],
        "tier": evaluation["tier"],
    }


def _row(award: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in award.items() if key != "currency"}


def purchase(
    *,
    public_id: UUID | str | None,
    source: str,
    external_id: str,
    state: str,
    member: str | None,
    occurred_at: datetime,
    net: Decimal,
    money_currency: str,
    evaluation: Mapping[str, Any],
    currency: str,
) -> dict[str, Any]:
    """Return the answer about a purchase, its points in the point currency ``currency``."""
    return {
        "id": None if public_id is None else str(public_id),
        "source": source,
        "external_id": external_id,
        "state": state,
        "member": member,
        "occurred_at": occurred_at,
        "net": money.wire(net, money.minor_digits(money_currency)),
        "currency": money_currency,
        **earned(evaluation, currency),
    }


def first_answer(stored: Purchase, currency: str) -> dict[str, Any]:
    """Return what was answered when the purchase first came, whatever happened since."""
    first = stored.evaluation.get("first")
    if first is None:
        member = None if stored.member is None else str(stored.member.public_id)
        evaluation = stored.evaluation
    else:
        member, evaluation = first["member"], first["evaluation"]
    return purchase(
        public_id=stored.public_id,
        source=stored.source,
        external_id=stored.external_id,
        state="closed",
        member=member,
        occurred_at=stored.occurred_at,
        net=stored.net,
        money_currency=stored.currency,
        evaluation=evaluation,
        currency=currency,
    )


def current(stored: Purchase, returned: Mapping[int, Decimal], currency: str) -> dict[str, Any]:
    """Return a purchase as it stands now; ``returned`` is the quantity back by line row."""
    body = purchase(
        public_id=stored.public_id,
        source=stored.source,
        external_id=stored.external_id,
        state=stored.state,
        member=None if stored.member is None else str(stored.member.public_id),
        occurred_at=stored.occurred_at,
        net=stored.net,
        money_currency=stored.currency,
        evaluation=stored.evaluation,
        currency=currency,
    )
    digits = money.minor_digits(stored.currency)
    body["store"] = stored.store or None
    body["channel"] = stored.channel or None
    body["lines"] = [
        {
            "line_id": line.line_id,
            "sku": line.sku or None,
            "name": line.name or None,
            "category": line.category or None,
            "brand": line.brand or None,
            "quantity": money.plain(line.quantity),
            "unit_price": price(line.unit_price, digits),
            "discount": price(line.discount, digits),
            "tax": None if line.tax is None else price(line.tax, digits),
            "net": money.wire(line.net, digits),
            "tags": list(line.tags),
            "returned": money.plain(returned.get(line.pk, Decimal(0))),
        }
        for line in sorted(stored.lines.all(), key=lambda line: line.position)
    ]
    return body


def price(amount: Decimal, digits: int) -> str:
    """Return an amount with at least ``digits`` places, and as many as it needs."""
    text = money.plain(amount)
    places = len(text.partition(".")[2])
    return text if places > digits else money.wire(amount, digits)


def claim_case(case: ClaimCase) -> dict[str, Any]:
    """Return a receipt that a member told of, and what became of it."""
    return {
        "id": str(case.public_id),
        "receipt": case.receipt,
        "date": case.day,
        "total": money.plain(case.total),
        "state": str(case.state),
        "answer": case.answer or None,
        "purchase": None if case.purchase is None else str(case.purchase.public_id),
        "made_at": case.made_at,
        "decided_at": case.decided_at,
    }
