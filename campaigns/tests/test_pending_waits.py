"""Points that wait: by rule and by currency, for days, for an event, for the hand of staff."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from campaigns.bodies import parse_event
from campaigns.programfile import ProgramFileError, canonical, parse
from campaigns.programfile.canonical import dump
from campaigns.services import events
from campaigns.tests.shop import (
    BASE,
    DAY,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    negative_balances,
    program_file,
    refund,
    rule,
)
from members.models import LedgerTransaction, Member, PointLot
from members.queries.balances import balance_as_of
from members.services import waiting

pytestmark = pytest.mark.django_db

DELIVERED: dict[str, Any] = {"until": "event", "type": "delivered"}


def waits(wait: dict[str, Any] | None, **points: Any) -> dict[str, Any]:
    """Return the program with a base rule that waits so."""
    base = {**BASE, "pending": wait} if wait else BASE
    return program_file(points, rules=[base])


def tell(body: dict[str, Any], at: Any, *, told_at: Any = None, kind: str = "delivered") -> None:
    event = {
        **{"type": kind, "member": {"identifier": "6011000001"}, "source": "shop"},
        **{"external_id": f"{kind}-{at}", "occurred_at": at.isoformat()},
        "payload": {"purchase": {k: body[k] for k in ("source", "external_id")}},
    }
    events.process_event(body=parse_event(orjson.dumps(event)), actor="test", moment=told_at or at)


def as_of(member: Member, at: Any) -> tuple[int, int]:
    found = balance_as_of(member=member.public_id, as_of=at, known_at=NOON + 999 * DAY)
    assert found is not None
    return found.available, found.pending


@pytest.mark.parametrize(
    ("_case", "document"),
    [
        ("a rule", waits(DELIVERED)),
        ("a currency", waits(None, pending=DELIVERED)),
    ],
)
def test_points_wait_for_the_event_that_names_their_purchase(
    _case: str, document: dict[str, Any]
) -> None:
    apply(document)
    member = join()
    first, second = basket(at=NOON), basket(at=NOON)

    answer = buy(first, moment=NOON)
    buy(second, moment=NOON)
    assert answer["points"] == {"granted": 10, "available": 0, "pending": 10, "paid_debt": 0}
    row = answer["receipt"][0]
    assert (row["state"], row["available_at"]) == ("pending", None)
    tell(first, NOON + DAY, kind="shipped")
    assert balances(member) == {"pending": 20}
    tell(first, NOON + 3 * DAY, told_at=NOON + 5 * DAY)

    assert balances(member) == {"available": 10, "pending": 10}
    activated = LedgerTransaction.objects.get(type="activate")
    assert activated.occurred_at == NOON + 3 * DAY
    assert as_of(member, NOON + 2 * DAY) == (0, 20)
    assert as_of(member, NOON + 3 * DAY) == (10, 10)
    assert differences() == []


def test_an_event_told_twice_releases_once() -> None:
    apply(waits(DELIVERED))
    member = join()
    body = basket(at=NOON)
    buy(body, moment=NOON)

    for days in (1, 2):
        tell(body, NOON + days * DAY)

    assert balances(member) == {"available": 10}
    assert LedgerTransaction.objects.filter(type="activate").count() == 1


def test_an_event_that_comes_before_its_purchase_counts_when_the_purchase_comes() -> None:
    apply(waits(DELIVERED))
    member = join()
    body = basket(at=NOON)

    tell(body, NOON + DAY)
    buy(body, moment=NOON + 2 * DAY)

    assert balances(member) == {"available": 10}
    assert LedgerTransaction.objects.get(type="activate").occurred_at == NOON + DAY
    assert differences() == []


def test_points_wait_no_longer_than_the_program_says() -> None:
    apply(waits({**DELIVERED, "at_most_days": 14}))
    member = join()

    answer = buy(basket(at=NOON), moment=NOON)
    buy(basket(at=NOON + 20 * DAY), moment=NOON + 20 * DAY)

    assert answer["receipt"][0]["available_at"] == "2026-03-16T12:00:00Z"
    assert balances(member) == {"available": 10, "pending": 10}


def test_what_came_back_while_it_waited_leaves_no_trace_on_what_was_available() -> None:
    """nopCommerce#576: points of a purchase that is returned within the time for returns."""
    apply(waits(DELIVERED))
    member = join()
    body = basket(at=NOON)
    buy(body, moment=NOON)

    answer = bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)
    tell(body, NOON + 2 * DAY)

    assert answer["points"]["from_pending"] == 10
    assert balances(member) == {}
    available = LedgerTransaction.objects.filter(entries__account__kind="available")
    assert available.filter(currency__code="points").count() == 0
    assert as_of(member, NOON + 3 * DAY) == (0, 0)
    assert differences() == []


def test_staff_release_by_hand_once() -> None:
    apply(waits({"until": "approval"}))
    member = join()
    buy(basket(at=NOON), moment=NOON)
    lot = PointLot.objects.get(remaining__gt=0)

    points = waiting.release_lots(lot_ids=[lot.pk], moment=NOON + DAY, actor="staff:1")
    with pytest.raises(waiting.NothingWaits):
        waiting.release_lots(lot_ids=[lot.pk], moment=NOON + DAY, actor="staff:1")

    assert points == 10
    assert balances(member) == {"available": 10}
    assert differences() == []


def test_points_that_ended_while_they_waited_come_with_grace() -> None:
    apply(waits({"until": "approval"}, expiry={"model": "fixed_after", "days": 10}))
    member = join()
    buy(basket(at=NOON), moment=NOON)
    lot = PointLot.objects.get(remaining__gt=0)

    waiting.release_lots(lot_ids=[lot.pk], moment=NOON + 40 * DAY, actor="staff:1")

    assert balances(member) == {"available": 10}
    released = PointLot.objects.get(remaining__gt=0)
    assert released.expires_at is not None
    assert released.expires_at > NOON + 70 * DAY
    assert LedgerTransaction.objects.filter(type="expire").count() == 0


def test_rules_of_one_purchase_wait_each_in_its_way() -> None:
    rules = [
        BASE,
        rule("fourteen", 2, pending={"days": 14}),
        rule("delivered", 3, pending=DELIVERED),
        rule("approval", 4, pending={"until": "approval"}),
        rule("now", 5, pending={"days": 0}),
    ]
    apply(program_file(rules=rules))
    member = join()
    body = basket(at=NOON)

    answer = buy(body, moment=NOON)
    assert answer["points"] == {"granted": 150, "available": 60, "pending": 90, "paid_debt": 0}
    assert [row["state"] for row in answer["receipt"]] == [
        *("available", "pending", "pending", "pending", "available"),
    ]
    tell(body, NOON + DAY)
    assert balances(member) == {"available": 90, "pending": 60}
    back = bring_back(refund(body, at=NOON + 2 * DAY), moment=NOON + 2 * DAY)

    assert back["points"]["clawed_back"] == 150
    assert balances(member) == {}
    assert differences() == []
    assert negative_balances() == []


def test_debt_is_paid_when_waiting_points_are_released() -> None:
    apply(waits(None))
    member = join()
    first = basket(at=NOON)
    buy(first, moment=NOON)
    apply(waits(DELIVERED), NOON + DAY)
    body = basket(at=NOON + 2 * DAY)
    buy(body, moment=NOON + 2 * DAY)

    tell(body, NOON + 3 * DAY)

    assert balances(member) == {"available": 20}
    assert differences() == []


@pytest.mark.parametrize(
    ("_case", "pending", "path"),
    [
        ("days and an event", {**DELIVERED, "days": 3}, "days"),
        ("an event without its type", {"until": "event"}, "type"),
        ("a type without an event", {"until": "approval", "type": "x"}, "type"),
        ("nothing to wait for", {"until": "payday"}, "until"),
        ("a bound without anything", {"days": 1, "at_most_days": 3}, "at_most_days"),
    ],
)
def test_what_waiting_cannot_be_is_refused_with_its_path(
    _case: str, pending: dict[str, Any], path: str
) -> None:
    with pytest.raises(ProgramFileError) as refusal:
        parse(json.dumps(waits(pending)))

    assert f"rules[0].pending.{path}" in [each.path for each in refusal.value.problems]


def test_waiting_reads_back_from_its_export() -> None:
    document = parse(json.dumps(waits({**DELIVERED, "at_most_days": 14}, pending={"days": 3})))

    assert parse(dump(canonical(document))) == document
