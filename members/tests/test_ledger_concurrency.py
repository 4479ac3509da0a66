"""Many at once: nothing is taken twice, and nobody waits for each other in a ring."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest

from members.tests import books as ledger
from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar
from members.tests.invariants import prove_whole_ledger

DEADLOCK = "40P01"
WRITERS = 32
CLIENTS = 16
ACTS = 30
ROUNDS_MAX = 20

Act = Callable[[Connection, int], object]


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        yield connection


def at_once(url: str, workers: int, act: Act) -> Counter[str]:
    """Let so many logins act at the same moment; count the outcomes by SQLSTATE."""
    barrier = Barrier(workers)

    def work(number: int) -> Counter[str]:
        with psycopg.connect(url, autocommit=True) as connection:
            barrier.wait()
            return _outcome(connection, number, act)

    with ThreadPoolExecutor(workers) as pool:
        return sum(pool.map(work, range(workers)), Counter())


def _outcome(connection: Connection, number: int, act: Act) -> Counter[str]:
    try:
        act(connection, number)
    except psycopg.Error as error:
        return Counter([str(error.sqlstate)])
    return Counter(["done"])


def test_reversals_together_take_no_more_than_the_original(
    site: Connection, database_urls: dict[str, str]
) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    earned = ledger.earn(site, books, holder, 100)
    # Another lot with room for all, so that nothing but the rule of reversals stands in the way.
    ledger.earn(site, books, holder, 5000)
    spare = scalar(site, "SELECT max(id) FROM members_pointlot")

    def reverse(connection: Connection, _number: int) -> None:
        document = {
            "headers": [ledger.header(books, holder, "clawback", reverses=earned)],
            "lots": [],
            "uses": [{"h": 0, "lot": spare, "points": 30, "kind": "clawback"}],
            "entries": [
                {"h": 0, "account": holder.available, "points": -30},
                {"h": 0, "account": books.issued, "points": 30},
            ],
        }
        ledger.post(connection, books, document)

    outcomes = at_once(database_urls["site"], WRITERS, reverse)

    assert outcomes == {"done": 3, "23514": WRITERS - 3}
    assert ledger.balances(site, holder)["available"] == 5010
    prove_whole_ledger(site)


def test_debits_together_take_exactly_the_points_that_are_there(
    site: Connection, database_urls: dict[str, str]
) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    for _lot in range(10):
        ledger.earn(site, books, holder, 10)

    outcomes = at_once(
        database_urls["site"],
        WRITERS,
        lambda connection, _number: ledger.debit(connection, books, holder, 7),
    )

    assert outcomes == {"done": 14, "23514": WRITERS - 14}
    assert ledger.balances(site, holder)["available"] == 2
    prove_whole_ledger(site)


def test_hold_ends_once_whoever_ends_it(site: Connection, database_urls: dict[str, str]) -> None:
    books = ledger.open_books(site)
    holder = ledger.enroll(site, books)
    ledger.earn(site, books, holder, 100)
    hold = ledger.debit(site, books, holder, 40, kind="hold", hold_expires_at=NOON + DAY)
    enders: list[Act] = [
        lambda connection, _number: ledger.capture(connection, hold),
        lambda connection, _number: ledger.give_back(connection, hold),
    ]

    outcomes = at_once(
        database_urls["site"],
        CLIENTS,
        lambda connection, number: enders[number % 2](connection, number),
    )

    assert outcomes["done"] == 1
    assert set(outcomes) - {"done"} <= {"23505", "23514"}
    assert ledger.balances(site, holder)["held"] == 0
    prove_whole_ledger(site)


def test_random_acts_of_many_never_deadlock(
    site: Connection, database_urls: dict[str, str]
) -> None:
    books = ledger.open_books(site)
    holders = [ledger.enroll(site, books) for _ in range(4)]
    for holder in holders:
        for days in range(1, 21):
            ledger.earn(site, books, holder, 200, expires_at=NOON + days * DAY)

    outcomes = at_once(
        database_urls["site"],
        CLIENTS,
        lambda connection, number: _act_at_random(
            connection, books, holders, random.Random(number)
        ),
    )

    assert outcomes == {"done": CLIENTS}
    prove_whole_ledger(site)


def _act_at_random(
    connection: Connection, books: Books, holders: list[Holder], chance: random.Random
) -> None:
    """Redeem, hold, give back, expire and earn for several members in one transaction each."""
    for step in range(ACTS):
        some = chance.sample(holders, chance.randint(1, 3))
        now = NOON + chance.randint(0, step) * DAY / 2
        with connection.transaction():
            ledger.settle(connection, *some, moment=now)
            for holder in sorted(some, key=lambda _holder: chance.random()):
                _one_act(connection, books, holder, chance)


def _one_act(connection: Connection, books: Books, holder: Holder, chance: random.Random) -> None:
    # Late enough for every lot that settling may have left: those end after its moment.
    free = scalar(
        connection,
        "SELECT coalesce(sum(remaining), 0) FROM members_pointlot"
        " WHERE account_id = %s AND expires_at > %s",
        *(holder.available, NOON),
    )
    kind = chance.choice(["redeem", "hold", "cancel", "earn"])
    if kind == "earn" or free < 20:
        ledger.earn(connection, books, holder, 10, expires_at=NOON + 90 * DAY)
        return
    posted = ledger.debit(
        connection,
        books,
        holder,
        chance.randint(1, 20),
        kind="hold" if kind == "hold" else "redeem",
        hold_expires_at=NOON + DAY if kind == "hold" else None,
    )
    if kind == "cancel":
        ledger.give_back(connection, posted)


def test_harness_finds_a_deadlock_when_members_are_locked_in_any_order(
    site: Connection, database_urls: dict[str, str]
) -> None:
    books = ledger.open_books(site)
    accounts = [ledger.enroll(site, books).available for _ in range(4)]
    found: Counter[str] = Counter()

    def lock_in_any_order(connection: Connection, number: int) -> None:
        chance = random.Random(number)
        for _step in range(ACTS):
            with connection.transaction():
                for account in chance.sample(accounts, 3):
                    connection.execute(
                        b"SELECT FROM members_ledgeraccount WHERE id = %s FOR NO KEY UPDATE",
                        (account,),
                    )

    for _round in range(ROUNDS_MAX):
        found += at_once(database_urls["site"], CLIENTS, lock_in_any_order)
        if found[DEADLOCK]:
            break

    assert found[DEADLOCK] > 0
