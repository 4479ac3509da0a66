"""What the operations about members answer, for the document."""

from __future__ import annotations

from loyalty_site.lib.schema import (
    COUNT,
    DATE,
    FLAG,
    ID,
    INSTANT,
    MONEY,
    POINTS,
    TEXT,
    array,
    choice,
    nullable,
    parameter,
    record,
)
from members.numbers import KINDS

TIER = record(code=TEXT, name=TEXT)
IDENTIFIER = record(kind=choice(*KINDS), value=TEXT, verified_at=nullable(INSTANT), primary=FLAG)
MEMBER_BODY = record(
    id=ID,
    number=TEXT,
    status=choice("active", "suspended", "closed", "merged", "erased"),
    first_name=nullable(TEXT),
    last_name=nullable(TEXT),
    birth_date=nullable(DATE),
    locale=nullable(TEXT),
    timezone=nullable(TEXT),
    identifiers=array(IDENTIFIER),
    tier=nullable(TIER),
    enrolled_at=INSTANT,
    source_channel=nullable(TEXT),
    referral_code=nullable(TEXT),
    attributes={"type": "object"},
)
BALANCE = record(
    member=ID,
    currency=TEXT,
    available=COUNT,
    pending=COUNT,
    held=COUNT,
    debt=COUNT,
    lifetime_earned=COUNT,
    expiring=array(record(points=COUNT, expires_at=INSTANT)),
    value=record(amount=MONEY, currency=TEXT),
    as_of=INSTANT,
)
TIER_BODY = record(
    tier=nullable(TIER),
    since=nullable(INSTANT),
    valid_until=nullable(INSTANT),
    qualifying=nullable(
        record(metric=TEXT, value=POINTS, window=record(**{"from": INSTANT, "to": INSTANT}))
    ),
    next=nullable(record(code=TEXT, name=TEXT, threshold=COUNT, missing=COUNT)),
    keep=nullable(record(threshold=COUNT, missing=COUNT, by=INSTANT)),
)
BALANCE_QUERY = (
    parameter(
        "currency", TEXT, "Code of the point currency; the first redeemable one unless told."
    ),
    parameter("as_of", INSTANT, "Answer for this past instant, by `occurred_at`."),
    parameter("known_at", INSTANT, "Count only what had been recorded by this instant."),
)
CARD = record(number=TEXT, qr=TEXT, valid_until=INSTANT)
CONSENT = record(purpose=TEXT, channel=TEXT, granted=FLAG, at=INSTANT, text_version=TEXT)
MESSAGE = record(id=ID, title=TEXT, body=TEXT, sent_at=INSTANT, read_at=nullable(INSTANT))
EXPORT = record(
    id=ID,
    state=choice("requested", "ready", "expired"),
    url=nullable(TEXT),
    expires_at=INSTANT,
)
