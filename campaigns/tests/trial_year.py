"""A year in a shop, drawn from a seed: purchases, returns, redemptions and events of its members.

It is posted through the services, as the demo's is, so that a replay has something to be
compared with.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from campaigns.bodies import parse_event
from campaigns.services import events
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    GOLD,
    apply,
    basket,
    bring_back,
    buy,
    join,
    line,
    program_file,
    refund,
    rule,
    spend,
)
from loyalty_site.lib.errors import DomainError
from members.models import LedgerAccount, Member
from members.services import ledger

YEAR = datetime(2025, 3, 1, 9, tzinfo=UTC)
END = YEAR + 420 * DAY
CATEGORIES = ("dairy", "toys", "bread", "fuel")

SHOP: dict[str, Any] = program_file(
    {"expiry": {"model": "fixed_after", "months": 3, "round_to": "month_end"}},
    rules=[
        BASE,
        BASE_STATUS,
        GOLD,
        {
            **rule("dairy-plus", 3),
            "lines": {"attr": "line.category", "op": "eq", "value": "dairy"},
            "limits": [{"per": "member", "period": "week", "points": 120}],
        },
        {
            **rule("regulars", 1, per="5.00"),
            "when": {"attr": "member.purchases_count", "op": "gte", "value": 3},
            "limits": [{"per": "member", "period": "month", "uses": 2}],
        },
        {
            "code": "profile",
            "trigger": "event:profile_completed",
            "effects": [{"kind": "earn_fixed", "currency": "points", "points": 100}],
            "limits": [{"per": "member", "period": "lifetime", "uses": 1}],
        },
    ],
    caps=[{"per": "member", "period": "day", "currency": "points", "points": 900}],
    campaigns=[
        {
            "code": "spring",
            "name": "Spring",
            "status": "active",
            "starts_at": "2025-04-01T00:00",
            "ends_at": "2025-09-01T00:00",
            "budget_points": 1500,
            "rules": [rule("spring-plus", 2)],
        },
        {
            "code": "stores",
            "name": "One store's days",
            "status": "active",
            "rules": [
                {
                    **rule("store-plus", 1),
                    "limits": [{"per": "store", "period": "month", "points": 150}],
                }
            ],
        },
    ],
)


def post_year(
    *, seed: int, members: int = 4, days: int = 28, document: dict[str, Any] = SHOP
) -> list[Member]:
    """Post a year drawn from the seed; return its members."""
    apply(document, YEAR - DAY)
    draw = random.Random(seed)
    people = [
        join(f"60110000{number:02}", at=YEAR + number * 10 * DAY) for number in range(members)
    ]
    moments = sorted(YEAR + draw.random() * (END - YEAR - DAY) for _ in range(days * members))
    bought: list[tuple[dict[str, Any], int]] = []
    for moment in moments:
        number = draw.randrange(members)
        _act(draw, people[number], number, moment.replace(microsecond=0), bought)
    for member in people:
        ledger.settle_due(member_ids=[member.pk], moment=END, recorded_at=END, actor="test")
    return people


def _act(
    draw: random.Random,
    member: Member,
    number: int,
    moment: datetime,
    bought: list[tuple[dict[str, Any], int]],
) -> None:
    kind = draw.random()
    if kind < 0.1 and bought:
        _return_some(draw, bought, moment)
    elif kind < 0.2:
        _spend_some(draw, member, moment)
    elif kind < 0.25:
        _tell_event(number, moment)
    else:
        late = timedelta(days=draw.choice((0, 0, 0, 1, 20)))
        lines = [
            line(
                str(place),
                f"{draw.randrange(50, 9000) / 100:.2f}",
                quantity=str(draw.randrange(1, 4)),
                category=draw.choice(CATEGORIES),
            )
            for place in range(draw.randrange(1, 5))
        ]
        at = moment - late
        body = basket(*lines, card=f"60110000{number:02}", at=at, store=str(draw.randrange(2)))
        buy(body, moment=moment)
        bought.append((body, number))


def _return_some(
    draw: random.Random, bought: list[tuple[dict[str, Any], int]], moment: datetime
) -> None:
    body, _ = draw.choice(bought)
    parts = [(each["line_id"], "1") for each in body["lines"] if draw.random() < 0.6]
    try:
        bring_back(refund(body, *parts, at=moment), moment=moment)
    except DomainError:
        bought.remove(next(each for each in bought if each[0] is body))


def _spend_some(draw: random.Random, member: Member, moment: datetime) -> None:
    ledger.settle_due(member_ids=[member.pk], moment=moment, recorded_at=moment, actor="test")
    accounts = dict(
        LedgerAccount.objects.filter(member=member, currency__code="points").values_list(
            "kind", "balance"
        )
    )
    if accounts["available"] > 0 and not accounts["debt"]:
        spend(member, draw.randrange(1, accounts["available"] + 1), moment=moment)


def _tell_event(number: int, moment: datetime) -> None:
    raw = {
        "source": "app",
        "external_id": f"E-{number}-{moment.isoformat()}",
        "type": "profile_completed",
        "member": {"identifier": f"60110000{number:02}"},
        "occurred_at": moment.isoformat(),
        "payload": {},
    }
    events.process_event(body=parse_event(orjson.dumps(raw)), actor="test", moment=moment)
