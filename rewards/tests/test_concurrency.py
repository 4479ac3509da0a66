"""The last reward goes to one member, the last points are spent once, a voucher is used once.

Each race releases sixty-four redeemers together. Beside it stands a control: the same harness on
a variant that reads, decides and writes without a lock must find more than one winner.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from loyalty_site.lib.errors import DomainError
from members.models import LedgerTransaction, Member, Program
from members.services import idempotency, ledger
from rewards.models import Redemption, Reward, Voucher
from rewards.services import redemptions, vouchers
from rewards.tests.factories import (
    CALLER,
    NOW,
    balances,
    earn,
    make_member,
    make_program,
    make_reward,
    make_token,
    redeem,
)

REDEEMERS = 64


def race(attempt: Callable[[int], str], *, count: int = REDEEMERS) -> Counter[str]:
    """Release all attempts together and count how they ended."""
    start = threading.Barrier(count)
    outcomes: list[str] = []

    def run(number: int) -> None:
        start.wait(60)
        try:
            outcomes.append(attempt(number))
        except DomainError as refusal:
            outcomes.append(refusal.code)
        except Exception as error:
            outcomes.append(f"{type(error).__name__}: {error}")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return Counter(outcomes)


@pytest.fixture
def program(committed_database: str) -> Program:
    """Return a program whose rows every thread sees."""
    return make_program()


def rich_members(program: Program, count: int = REDEEMERS) -> list[Member]:
    """Return members who can afford the reward."""
    members = [make_member(program) for _ in range(count)]
    for member in members:
        earn(member, 150)
    return members


def keyed(member: Member, number: int) -> str:
    """Redeem as the API does, under a key of its own."""
    order = redemptions.Order(member=member, reward="coffee", caller=f"client:{number}")

    def act() -> idempotency.Outcome:
        made = redemptions.redeem(program=member.program, order=order, moment=NOW)
        return 201, {"state": made.state}, member.pk

    answer = idempotency.run(
        caller=order.caller, key=token_hex(16), fingerprint=b"f", moment=NOW, act=act
    )
    return str(answer.body.get("code") or answer.body["state"])


# Through the services ------------------------------------------------------------------------


def test_the_last_reward_goes_to_one_member(program: Program) -> None:
    make_reward(program, stock=1)
    members = rich_members(program)

    outcomes = race(lambda number: keyed(members[number], number))

    assert outcomes == {"fulfilled": 1, "out_of_stock": REDEEMERS - 1}
    assert Reward.objects.get().stock == 0
    assert LedgerTransaction.objects.filter(type="redeem").count() == 1
    assert sum(balances(member)[0] for member in members) == 150 * (REDEEMERS - 1)


def test_the_piece_of_a_lapsed_hold_goes_to_one_member(program: Program) -> None:
    make_reward(program, stock=1)
    members = rich_members(program, count=16)
    redeem(members[0], mode="hold", at=NOW.replace(hour=1))

    outcomes = race(lambda number: keyed(members[number], number), count=16)

    assert outcomes == {"fulfilled": 1, "out_of_stock": 15}
    assert Reward.objects.get().stock == 0


def test_the_last_points_are_spent_once(program: Program) -> None:
    make_reward(program)
    (member,) = rich_members(program, count=1)

    outcomes = race(lambda number: keyed(member, number))

    assert outcomes == {"fulfilled": 1, "insufficient_points": REDEEMERS - 1}
    assert balances(member) == (0, 0, 0, 0)


def test_the_limit_of_a_member_holds(program: Program) -> None:
    make_reward(program, points_price=1, limit_uses=1, limit_period="lifetime")
    (member,) = rich_members(program, count=1)

    outcomes = race(lambda number: keyed(member, number), count=16)

    assert outcomes == {"fulfilled": 1, "reward_not_available": 15}


def test_a_hold_is_captured_or_cancelled_but_once(program: Program) -> None:
    make_reward(program, stock=1)
    (member,) = rich_members(program, count=1)
    held = redeem(member, mode="hold")

    def attempt(number: int) -> str:
        if number % 2:
            redemptions.capture(
                program=program, public_id=held.public_id, caller=CALLER, moment=NOW
            )
            return "captured"
        redemptions.cancel(public_id=held.public_id, caller=CALLER, moment=NOW)
        return "cancelled"

    outcomes = race(attempt, count=16)

    # A captured redemption can still be cancelled, so that both may have happened, in this order.
    assert outcomes["cancelled"] == 1
    assert outcomes["captured"] <= 1
    assert sum(outcomes.values()) == 16
    assert outcomes.keys() <= {"captured", "cancelled", "already_resolved"}
    assert balances(member) == (150, 0, 0, 0)
    assert Reward.objects.get().stock == 1


def test_a_voucher_is_used_once(program: Program) -> None:
    make_reward(program)
    (member,) = rich_members(program, count=1)
    code = redeem(member).voucher.code

    outcomes = race(
        lambda number: (
            vouchers.use(
                program=program, code=code, purchase=None, caller=f"client:{number}", moment=NOW
            ).state
        )
    )

    assert outcomes == {"used": 1, "voucher_not_found": REDEEMERS - 1}


def test_a_voucher_is_used_or_cancelled(program: Program) -> None:
    make_reward(program)
    (member,) = rich_members(program, count=1)
    made = redeem(member)

    def attempt(number: int) -> str:
        if number % 2:
            redemptions.cancel(public_id=made.public_id, caller=CALLER, moment=NOW)
            return "cancelled"
        return vouchers.use(
            program=program, code=made.voucher.code, purchase=None, caller=CALLER, moment=NOW
        ).state

    outcomes = race(attempt, count=16)

    assert outcomes["used"] + outcomes["cancelled"] == 1
    assert balances(member)[0] == (150 if outcomes["cancelled"] else 0)
    assert Voucher.objects.get().state in {"used", "cancelled"}


# Controls ------------------------------------------------------------------------------------


def test_control_a_stock_read_and_written_without_a_lock_is_sold_twice(program: Program) -> None:
    make_reward(program, stock=1)
    everyone_has_read = threading.Barrier(REDEEMERS)

    def naive(number: int) -> str:
        reward = Reward.objects.get()
        everyone_has_read.wait(60)
        if not reward.stock:
            return "out_of_stock"
        reward.stock -= 1
        reward.save(update_fields=["stock"])
        return "fulfilled"

    outcomes = race(naive)

    assert outcomes["fulfilled"] > 1


def test_control_points_read_before_the_lock_are_spent_twice(program: Program) -> None:
    make_reward(program)
    (member,) = rich_members(program, count=1)
    everyone_has_read = threading.Barrier(REDEEMERS)
    spent: list[int] = []

    def naive(number: int) -> str:
        available = balances(member)[0]
        everyone_has_read.wait(60)
        if available < 150:
            return "insufficient_points"
        spent.append(150)
        return "fulfilled"

    outcomes = race(naive)

    assert outcomes["fulfilled"] > 1
    assert sum(spent) > 150


def test_control_a_voucher_read_before_it_is_marked_is_used_twice(program: Program) -> None:
    make_reward(program)
    (member,) = rich_members(program, count=1)
    code = redeem(member).voucher.code
    everyone_has_begun = threading.Barrier(REDEEMERS)

    def naive(number: int) -> str:
        voucher = Voucher.objects.get(code=code)
        everyone_has_begun.wait(60)
        if voucher.state != "issued":
            return "voucher_not_found"
        Voucher.objects.filter(pk=voucher.pk).update(state="used", used_at=NOW)
        return "used"

    outcomes = race(naive)

    assert outcomes["used"] > 1


def test_control_the_books_refuse_a_debit_that_nobody_decided(program: Program) -> None:
    (member,) = rich_members(program, count=1)
    currency = program.currencies.get()

    def undecided(number: int) -> str:
        ledger.debit(
            wanted=ledger.Debit(
                member_id=member.pk,
                currency_id=currency.pk,
                points=150,
                type="redeem",
                external_ref=f"naive-{number}",
                actor=CALLER,
            ),
            occurred_at=NOW,
            recorded_at=NOW,
        )
        return "fulfilled"

    outcomes = race(undecided, count=16)

    assert outcomes["fulfilled"] == 1
    assert balances(member) == (0, 0, 0, 0)


# Over HTTP -----------------------------------------------------------------------------------


@pytest.fixture
def site(live_site: str) -> str:
    """Return the address of the API, served in threads."""
    return f"{live_site}/api/v1"


def post(url: str, token: str, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
    """Send a POST; return status and body."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        },
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def order(member: Member) -> dict[str, Any]:
    """Return the body of a redemption."""
    return {"member": {"id": str(member.public_id)}, "reward": "coffee"}


def test_over_http_the_last_reward_goes_to_one_member(site: str) -> None:
    program = make_program()
    make_reward(program, stock=1)
    members = rich_members(program)
    token = make_token()

    def attempt(number: int) -> str:
        status, body = post(f"{site}/redemptions", token, order(members[number]), token_hex(16))
        return f"{status} {body.get('code') or body['state']}"

    outcomes = race(attempt)

    assert outcomes == {"201 fulfilled": 1, "409 out_of_stock": REDEEMERS - 1}


def test_over_http_the_last_points_are_spent_once(site: str) -> None:
    program = make_program()
    make_reward(program)
    (member,) = rich_members(program, count=1)
    token = make_token()

    def attempt(number: int) -> str:
        status, body = post(f"{site}/redemptions", token, order(member), token_hex(16))
        return f"{status} {body.get('code') or body['state']}"

    outcomes = race(attempt)

    assert outcomes == {"201 fulfilled": 1, "409 insufficient_points": REDEEMERS - 1}
    assert balances(member) == (0, 0, 0, 0)


def test_over_http_one_key_redeems_once(site: str) -> None:
    program = make_program()
    make_reward(program, points_price=1)
    (member,) = rich_members(program, count=1)
    token, key = make_token(), token_hex(16)

    def attempt(number: int) -> str:
        status, body = post(f"{site}/redemptions", token, order(member), key)
        return f"{status} {body.get('code') or body['id']}"

    outcomes = race(attempt)

    made = Redemption.objects.get()
    assert outcomes.keys() <= {f"201 {made.public_id}", "409 request_in_progress"}
    assert outcomes[f"201 {made.public_id}"] >= 1
    assert sum(outcomes.values()) == REDEEMERS
    assert balances(member) == (149, 0, 0, 0)


def test_over_http_a_voucher_is_used_once(site: str) -> None:
    program = make_program()
    make_reward(program)
    (member,) = rich_members(program, count=1)
    code = redeem(member, at=timezone.now()).voucher.code
    token = make_token()

    def attempt(number: int) -> str:
        status, _body = post(f"{site}/vouchers/use", token, {"code": code}, token_hex(16))
        return str(status)

    outcomes = race(attempt, count=32)

    assert outcomes == {"200": 1, "404": 31}
