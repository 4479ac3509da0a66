"""The models of expiry from the program file to the lots: by tier, and by inactivity."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from campaigns.bodies import parse_event
from campaigns.queries import rulebook
from campaigns.services import events
from campaigns.tests.shop import (
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
    send,
)
from members.models import LedgerActivity, LedgerTransaction, Member, PointLot
from members.queries.balances import balance_now
from rewards.services import redemptions

pytestmark = pytest.mark.django_db

INACTIVITY: dict[str, Any] = {"model": "inactivity", "months": 6}
SEPTEMBER = datetime(2026, 9, 2, 23, tzinfo=UTC)
COFFEE: dict[str, Any] = {
    "code": "coffee",
    "kind": "service",
    "name": "Coffee",
    "points_price": 4,
    "stock": None,
}


def expiring(member: Member, at: datetime) -> list[tuple[int, datetime]]:
    found = balance_now(member=member.public_id, moment=at)
    assert found is not None
    return [(lot.points, lot.expires_at) for lot in found.expiring if lot.expires_at]


def tell(kind: str, at: datetime, *, told_at: datetime | None = None) -> None:
    body = {
        **{"type": kind, "member": {"identifier": "6011000001"}, "source": "app"},
        **{"external_id": f"{kind}-{at}", "occurred_at": at.isoformat(), "payload": {}},
    }
    events.process_event(body=parse_event(orjson.dumps(body)), actor="test", moment=told_at or at)


def redeem(member: Member, at: datetime) -> None:
    order = redemptions.Order(
        member=member, reward="coffee", quantity=1, mode="capture", caller="test"
    )
    redemptions.redeem(program=member.program, order=order, moment=at)


def test_points_by_tier_last_as_the_tier_before_their_purchase_says() -> None:
    periods = [
        {"tier": "bronze", "days": 10},
        {"tier": "silver", "days": 20},
        {"tier": "gold", "days": 30},
    ]
    apply(program_file({"expiry": {"model": "by_tier", "periods": periods}}))
    member = join()

    first = buy(basket(line(price="600.00"), at=NOON), moment=NOON)
    second = buy(basket(at=NOON + DAY), moment=NOON + DAY)

    assert first["tier"] == {"before": "bronze", "after": "silver"}
    assert first["receipt"][0]["expires_at"] == "2026-03-13T00:00:00Z"
    assert second["receipt"][0]["expires_at"] == "2026-03-24T00:00:00Z"
    assert balances(member) == {"available": 610}


def test_a_purchase_renews_the_points_of_earlier_ones() -> None:
    apply(program_file({"expiry": INACTIVITY}))
    member = join()
    buy(basket(at=NOON), moment=NOON)
    assert expiring(member, NOON) == [(10, SEPTEMBER)]

    buy(basket(line(price="0.50"), at=NOON + 100 * DAY), moment=NOON + 100 * DAY)

    # Although it gave nothing itself.
    assert expiring(member, NOON + 100 * DAY) == [(10, datetime(2026, 12, 11, tzinfo=UTC))]
    assert balances(member) == {"available": 10}
    assert differences() == []


def test_purchases_of_a_day_are_one_act() -> None:
    apply(program_file({"expiry": INACTIVITY}))
    join()

    for hours in (0, 1, 2):
        at = NOON + timedelta(hours=hours)
        buy(basket(at=at), moment=at)

    assert LedgerActivity.objects.count() == 1


def test_a_batch_renews_as_the_same_purchases_sent_singly() -> None:
    apply(program_file({"expiry": INACTIVITY}))
    member = join()
    moment = NOON + 150 * DAY

    send([basket(at=NOON), basket(at=NOON + 90 * DAY), basket(at=moment)], moment=moment)

    days = LedgerActivity.objects.order_by("day").values_list("day", flat=True)
    assert list(days) == [(NOON + n * DAY).date() for n in (0, 90, 150)]
    assert expiring(member, moment) == [(30, datetime(2027, 1, 31, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("_case", "renewed_by", "renews"),
    [
        ("every event", ["event"], True),
        ("events of its type", ["event:check-in"], True),
        ("events of another type", ["event:review"], False),
        ("only purchases", ["purchase"], False),
    ],
)
def test_an_event_renews_points_where_the_file_says_so(
    _case: str, renewed_by: list[str], renews: bool
) -> None:
    apply(program_file({"expiry": {**INACTIVITY, "renewed_by": renewed_by}}))
    member = join()
    buy(basket(at=NOON), moment=NOON)

    tell("check-in", NOON + 100 * DAY)

    renewed = datetime(2026, 12, 11, tzinfo=UTC)
    assert expiring(member, NOON + 100 * DAY) == [(10, renewed if renews else SEPTEMBER)]


@pytest.mark.parametrize(
    ("_case", "renewed_by", "renews"),
    [("redemptions", ["redemption"], True), ("only purchases", ["purchase"], False)],
)
def test_a_redemption_renews_what_it_leaves(
    _case: str, renewed_by: list[str], renews: bool
) -> None:
    expiry = {**INACTIVITY, "renewed_by": renewed_by}
    apply(program_file({"expiry": expiry}, rewards=[COFFEE]))
    member = join()
    buy(basket(at=NOON), moment=NOON)

    redeem(member, NOON + 100 * DAY)

    renewed = datetime(2026, 12, 11, tzinfo=UTC)
    assert expiring(member, NOON + 100 * DAY) == [(6, renewed if renews else SEPTEMBER)]
    assert differences() == []


def test_a_year_without_an_act_ends_the_points_dated_at_their_end() -> None:
    apply(program_file({"expiry": INACTIVITY}))
    member = join()
    buy(basket(at=NOON), moment=NOON)
    buy(basket(at=NOON + 100 * DAY), moment=NOON + 100 * DAY)

    answer = buy(basket(at=NOON + 465 * DAY), moment=NOON + 465 * DAY)

    expired = LedgerTransaction.objects.get(type="expire")
    assert expired.occurred_at == datetime(2026, 12, 11, tzinfo=UTC)
    assert answer["points"]["granted"] == 10
    assert balances(member) == {"available": 10}
    assert differences() == []
    assert negative_balances() == []


def test_points_of_an_earlier_model_are_renewed_as_they_were_promised() -> None:
    apply(program_file({"expiry": INACTIVITY}))
    member = join()
    buy(basket(at=NOON), moment=NOON)
    apply(program_file({"expiry": {"model": "fixed_after", "days": 10}}), NOON + DAY)

    buy(basket(at=NOON + 100 * DAY), moment=NOON + 100 * DAY)

    assert expiring(member, NOON + 100 * DAY) == [
        (10, datetime(2026, 6, 20, 23, tzinfo=UTC)),
        (10, datetime(2026, 12, 11, tzinfo=UTC)),
    ]


def test_a_program_whose_points_nothing_renews_writes_no_acts() -> None:
    apply()
    join()

    buy(basket(at=NOON), moment=NOON)

    assert rulebook.current().renewable == ()
    assert LedgerActivity.objects.count() == 0
    assert PointLot.objects.get().renew_months is None
    assert json.dumps(rulebook.current().currencies["points"].expiry.model) == '"fixed_after"'
