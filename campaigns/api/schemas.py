"""What the operations of campaigns answer, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from loyalty_site.lib.schema import (
    COUNT,
    FLAG,
    ID,
    INSTANT,
    MONEY,
    POINTS,
    TEXT,
    Schema,
    array,
    choice,
    nullable,
    record,
)

RULE = record(code=TEXT, version=COUNT, name=TEXT)
_ROW: dict[str, Any] = {
    "rule": RULE,
    "campaign": nullable(TEXT),
    "line_id": nullable(TEXT),
    "points": POINTS,
    "state": choice("available", "pending"),
    "available_at": nullable(INSTANT),
    "expires_at": nullable(INSTANT),
    "requested": POINTS,
    "capped_by": nullable(TEXT),
    "text": TEXT,
}
RECEIPT = array(record(**_ROW))
EARNED: dict[str, Any] = {
    "points": record(granted=POINTS, available=POINTS, pending=POINTS, paid_debt=POINTS),
    "receipt": RECEIPT,
    "other_awards": array(record(currency=TEXT, **_ROW)),
    "grants": array(
        record(
            id=nullable(ID),
            rule=RULE,
            campaign=nullable(TEXT),
            kind=TEXT,
            text=TEXT,
            voucher=nullable(
                record(code=nullable(TEXT), reward=TEXT, expires_at=nullable(INSTANT))
            ),
        )
    ),
    "not_applied": array(
        record(
            ("because_of",),
            rule=nullable(RULE),
            campaign=nullable(TEXT),
            currency=nullable(TEXT),
            reason=TEXT,
            missing=nullable(MONEY),
            coupon=nullable(TEXT),
            because_of=nullable(TEXT),
            text=TEXT,
        )
    ),
    "tier": nullable(record(before=nullable(TEXT), after=nullable(TEXT))),
}
PURCHASE_FIELDS: dict[str, Any] = {
    "id": nullable(ID),
    "source": TEXT,
    "external_id": TEXT,
    "state": choice("closed", "partially_returned", "returned"),
    "member": nullable(ID),
    "occurred_at": INSTANT,
    "net": MONEY,
    "currency": TEXT,
    **EARNED,
}
PURCHASE = record(("dry_run",), **PURCHASE_FIELDS, dry_run=FLAG)
LINE = record(
    line_id=TEXT,
    sku=nullable(TEXT),
    name=nullable(TEXT),
    category=nullable(TEXT),
    brand=nullable(TEXT),
    quantity=TEXT,
    unit_price=MONEY,
    discount=MONEY,
    tax=nullable(MONEY),
    net=MONEY,
    tags=array(TEXT),
    returned=TEXT,
)
WHOLE_PURCHASE = record(
    **PURCHASE_FIELDS, store=nullable(TEXT), channel=nullable(TEXT), lines=array(LINE)
)
BATCH = record(
    results=array(
        record(
            index=COUNT,
            external_id=nullable(TEXT),
            status=choice("created", "duplicate", "error"),
            points=nullable(POINTS),
            id=nullable(ID),
            problem=nullable({"$ref": "#/components/schemas/Problem"}),
        )
    )
)
RETURN: Schema = record(
    ("points", "problem", "dry_run"),
    id=nullable(ID),
    source=TEXT,
    external_id=TEXT,
    purchase=nullable(ID),
    state=choice("applied", "parked", "rejected"),
    occurred_at=INSTANT,
    points=record(
        clawed_back=COUNT,
        from_pending=COUNT,
        from_available=COUNT,
        already_expired=COUNT,
        to_debt=COUNT,
        forgiven=COUNT,
        given_back=COUNT,
    ),
    problem=nullable({"$ref": "#/components/schemas/Problem"}),
    dry_run=FLAG,
)
EVENT = record(
    ("dry_run",),
    id=nullable(ID),
    type=TEXT,
    source=TEXT,
    external_id=TEXT,
    member=ID,
    occurred_at=INSTANT,
    **EARNED,
    dry_run=FLAG,
)
