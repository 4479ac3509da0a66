"""What intake dates where: pending points of the past, debts, and reads as of an instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from campaigns.services import judging
from campaigns.tests.shop import (
    BASE,
    DAY,
    NOON,
    apply,
    balances,
    basket,
    buy,
    differences,
    join,
    line,
    negative_balances,
    program_file,
    rule,
    send,
)
from members.models import LedgerTransaction, Member, PointLot
from members.queries.balances import balance_as_of

pytestmark = pytest.mark.django_db


def as_of(member: Member, at: datetime) -> tuple[int, int]:
    """Return what was available and pending at an instant."""
    found = balance_as_of(
        member=member.public_id, as_of=at, known_at=NOON + 999 * DAY, currency=None
    )
    assert found is not None
    return found.available, found.pending


def test_points_that_were_due_before_they_were_recorded_were_pending_until_then() -> None:
    apply(program_file({"pending_days": 14}))
    member = join()

    answer = buy(basket(at=NOON), moment=NOON + 30 * DAY)

    assert answer["points"] == {"granted": 10, "available": 10, "pending": 0, "paid_debt": 0}
    assert answer["receipt"][0]["state"] == "available"
    assert balances(member) == {"available": 10}
    posted = LedgerTransaction.objects.filter(currency__code="points").order_by("occurred_at")
    assert [(each.type, each.occurred_at) for each in posted] == [
        ("earn", NOON),
        ("activate", NOON + 14 * DAY),
    ]
    assert as_of(member, NOON + 13 * DAY) == (0, 10)
    assert as_of(member, NOON + 14 * DAY) == (10, 0)
    assert differences() == []
    assert negative_balances() == []


def test_a_late_purchase_whose_points_would_have_expired_gets_the_grace() -> None:
    apply(program_file({"expiry": {"model": "fixed_after", "days": 10}, "pending_days": 5}))
    member = join()

    buy(basket(at=NOON), moment=NOON + 40 * DAY)

    lot = PointLot.objects.get(remaining__gt=0)
    # Thirty whole days from the day of recording, to the end of the last one in Lisbon.
    assert lot.expires_at == datetime(2026, 5, 11, 23, tzinfo=NOON.tzinfo)
    assert balances(member) == {"available": 10}


def test_what_is_due_is_posted_before_a_purchase_is_judged() -> None:
    apply(program_file({"pending_days": 14, "expiry": {"model": "fixed_after", "days": 20}}))
    member = join()
    buy(basket(at=NOON), moment=NOON)

    buy(basket(at=NOON + 40 * DAY), moment=NOON + 40 * DAY)

    types = LedgerTransaction.objects.filter(currency__code="points").order_by("occurred_at")
    assert [each.type for each in types] == ["earn", "activate", "expire", "earn"]
    assert balances(member) == {"pending": 10}


def test_a_rule_that_gives_only_after_others_gave_is_reserved_when_it_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silver = {
        **rule("silver-plus", 1),
        "when": {"attr": "member.tier", "op": "eq", "value": "silver"},
        "limits": [{"per": "member", "period": "day", "points": 15}],
    }
    status = {"code": "s", "trigger": "purchase"}
    effect: dict[str, Any] = {**BASE["effects"][0], "currency": "status"}
    apply(program_file(rules=[BASE, {**status, "effects": [effect]}, silver]))
    join()
    judged = []
    real = judging.judge

    def counting(*facts: Any) -> Any:
        judged.append(facts)
        return real(*facts)

    monkeypatch.setattr(judging, "judge", counting)
    rows = [
        basket(line(price="500.00"), at=NOON),
        basket(at=NOON + timedelta(hours=1)),
        basket(at=NOON + timedelta(hours=2)),
    ]

    outcomes = send(rows, moment=NOON + DAY)

    # Bronze when the counters were chosen, silver by the second row: judged once more.
    assert [row.points for row in outcomes] == [500, 20, 15]
    assert len(judged) == 5
    assert differences() == []
