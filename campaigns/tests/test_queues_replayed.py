"""Offline tills send their queues late, twice and out of order: the end is the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection, transaction

from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    CARD,
    DAY,
    NOON,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    negative_balances,
    program_file,
    refund,
    rule,
    send,
)
from members.models import Member

pytestmark = pytest.mark.django_db

OTHER_CARD = "6011000002"
SENT_AT = NOON + 30 * DAY
Sent = tuple[str, dict[str, Any]]


def opened() -> list[Member]:
    """Open a shop whose rules look at no tier and no limit, and enroll two members."""
    apply(
        program_file({"pending_days": 14}, rules=[BASE, BASE_STATUS, rule("plus", 3, per="2.00")])
    )
    return [join(CARD), join(OTHER_CARD)]


def queue() -> list[Sent]:
    """Return what a till did in a week: purchases of two members, and parts that came back."""
    bodies = [
        basket(
            line("1", f"{3 + n}.49", quantity="3"),
            line("2", "0.99"),
            card=CARD if n % 2 else OTHER_CARD,
            at=NOON + n * DAY,
        )
        for n in range(6)
    ]
    found: list[Sent] = [("purchase", body) for body in bodies]
    for n in (0, 2, 3):
        found.append(("return", refund(bodies[n], ("1", "1"), at=NOON + (n + 1) * DAY)))
    found.append(("return", refund(bodies[2], ("1", "1"), ("2", "1"), at=NOON + 8 * DAY)))
    found.append(("return", refund(bodies[5], at=NOON + 9 * DAY)))
    return found


def singly(sent: Sequence[Sent]) -> None:
    """Send one after the other."""
    for kind, body in sent:
        (buy if kind == "purchase" else bring_back)(body, moment=SENT_AT)


def in_batches(sent: Sequence[Sent]) -> None:
    """Send runs of purchases as batches, and what is between them singly."""
    run: list[dict[str, Any]] = []
    for kind, body in [*sent, ("end", {})]:
        if kind == "purchase":
            run.append(body)
            continue
        if run:
            assert {each.status for each in send(run, moment=SENT_AT)} <= {"created", "duplicate"}
            run = []
        if kind == "return":
            bring_back(body, moment=SENT_AT)


def end_state(members: Sequence[Member]) -> dict[str, Any]:
    """Return what is there, without what merely tells in which order it came."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.external_id, p.state, sum(a.points), sum(a.taken_back)"
            " FROM members_purchase p LEFT JOIN campaigns_award a ON a.purchase_id = p.id"
            " GROUP BY 1, 2 ORDER BY 1"
        )
        purchases = cursor.fetchall()
        cursor.execute("SELECT external_id, state FROM members_return ORDER BY 1")
        returns = cursor.fetchall()
        cursor.execute(
            "SELECT a.member_id, l.earned_at, l.expires_at, sum(l.remaining)"
            " FROM members_pointlot l JOIN members_ledgeraccount a ON a.id = l.account_id"
            " WHERE l.remaining > 0 GROUP BY 1, 2, 3 ORDER BY 1, 2"
        )
        lots = cursor.fetchall()
    return {
        "purchases": purchases,
        "returns": returns,
        "lots": lots,
        "balances": [
            balances(member, currency) for member in members for currency in ("points", "status")
        ],
    }


def ended(how: Callable[[Sequence[Sent]], None], sent: Sequence[Sent]) -> dict[str, Any]:
    """Return the end state of sending so, and undo it."""
    members = list(Member.objects.order_by("pk"))
    with transaction.atomic():
        how(sent)
        found = end_state(members)
        assert differences() == []
        assert negative_balances() == []
        transaction.set_rollback(True)
    return found


def shuffled(sent: Sequence[Sent], seed: int) -> list[Sent]:
    """Return the queue in another order."""
    found = list(sent)
    random.Random(seed).shuffle(found)
    return found


@pytest.mark.parametrize("how", [singly, in_batches])
def test_a_queue_in_any_order_ends_as_in_its_own(how: Callable[[Sequence[Sent]], None]) -> None:
    opened()
    sent = queue()
    wanted = ended(singly, sent)

    assert {state for _, state in wanted["returns"]} == {"applied"}
    for seed in range(4):
        assert ended(how, shuffled(sent, seed)) == wanted


@pytest.mark.parametrize("how", [singly, in_batches])
def test_a_queue_that_is_sent_again_changes_nothing(
    how: Callable[[Sequence[Sent]], None],
) -> None:
    """Edge case 17: a till that retries its queue neither doubles points nor loses returns."""
    members = opened()
    sent = queue()
    singly(sent)
    before = end_state(members)

    for seed in range(3):
        how(shuffled(sent, seed))
        how(shuffled([*sent[:5], *sent], seed))

    assert end_state(members) == before
    assert differences() == []


def test_a_return_told_twice_by_two_tills_takes_once() -> None:
    """The name of a return is its own; another name for the same goods finds nothing left."""
    (member, _) = opened()
    body = basket(line(price="10.00"), at=NOON)
    back = refund(body, at=NOON)

    first = bring_back(back, moment=SENT_AT)
    buy(body, moment=SENT_AT)
    again = bring_back(back, moment=SENT_AT)

    assert (first["state"], again["state"]) == ("parked", "applied")
    assert first["id"] == again["id"]
    assert balances(member) == {}
