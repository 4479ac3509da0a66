"""Seals: what is sealed, in which order, and who may seal."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection as django_connection

from loyalty_site.lib import signing
from members import merkle
from members.models import JobRun, LedgerCheckpoint, LedgerSeal, LedgerTransaction
from members.queries.sealing import sealing_lags
from members.queries.tree import path_at, root_at
from members.services import checkpoints, jobs, sealing
from members.tests import books as ledger
from members.tests.books import DAY, NOON, Books, Connection, Holder, scalar


@pytest.fixture
def site(database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as the site."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def books(site: Connection) -> Books:
    """Write a program."""
    return ledger.open_books(site)


@pytest.fixture
def holder(site: Connection, books: Books) -> Holder:
    """Write a member."""
    return ledger.enroll(site, books)


def seal(*, moment: datetime = NOON) -> int:
    """Seal until nothing waits; return how much was sealed.

    Transactions of other databases of the server hold seals back as well, those of other tests.
    """
    done = 0
    for _ in range(600):
        done += jobs.run(sealing.SEAL_LEDGER, moment=moment).done
        if not is_waiting():
            return done
        time.sleep(0.1)
    raise AssertionError("something of another test holds back every seal")


WAITS = "SELECT is_waiting FROM ledger_sealing()"


def is_waiting() -> bool:
    with django_connection.cursor() as cursor:
        cursor.execute(WAITS)
        return bool(cursor.fetchone()[0])


def sealed() -> list[int]:
    return list(LedgerSeal.objects.order_by("sequence").values_list("transaction_id", flat=True))


def leaf_of(site: Connection, transaction: int) -> dict[str, Any]:
    body = scalar(site, "SELECT body FROM ledger_leaves(%s, %s)", transaction, transaction)
    return dict(json.loads(body))


def test_a_leaf_says_what_was_posted_and_nobodys_name(
    site: Connection, books: Books, holder: Holder
) -> None:
    earned = ledger.earn(
        site, books, holder, 100, expires_at=NOON + 90 * DAY + timedelta(microseconds=120)
    )
    held = ledger.debit(site, books, holder, 30, kind="hold", hold_expires_at=NOON + DAY)
    names = dict(LedgerTransaction.objects.values_list("pk", "public_id"))
    member = scalar(site, "SELECT public_id::text FROM members_member")

    first, second = leaf_of(site, earned), leaf_of(site, held)

    assert first == {
        "account": sha256(f"{member}/points".encode()).hexdigest(),
        "actor": sha256(f"{names[earned]}/test".encode()).hexdigest(),
        "counterpart": None,
        "currency": "points",
        "entries": [
            {"kind": "issued", "owner": "program", "points": -100},
            {"kind": "available", "owner": "member", "points": 100},
        ],
        "hold_expires_at": None,
        "lots": [
            {
                "available_at": "2026-03-02T12:00:00",
                "earned_at": "2026-03-02T12:00:00",
                "expires_at": "2026-05-31T12:00:00.00012",
                "kind": "available",
                "moved_from": None,
                "points": 100,
                "renew_months": None,
                "waits_for": "",
            }
        ],
        "occurred_at": "2026-03-02T12:00:00",
        "reason_code": "",
        "recorded_at": "2026-03-02T12:00:00",
        "reference": first["reference"],
        "resolves": None,
        "reverses": None,
        "source": "test",
        "transaction": str(names[earned]),
        "type": "earn",
        "uses": [],
        "version": 1,
    }
    assert second["uses"] == [{"kind": "hold", "lot": f"{names[earned]}/0", "points": 30}]
    assert second["hold_expires_at"] == "2026-03-03T12:00:00"


def test_a_leaf_is_canonical_whatever_stands_in_it_and_whatever_the_session_is_set_to(
    site: Connection, books: Books, holder: Holder
) -> None:
    odd = 'a"b\\c\nd\te\x01\x7f é \U0001f600 </script>'
    header = {**ledger.header(books, holder, "earn"), "ref": odd}
    legs = [(books.issued, -5), (holder.available, 5)]
    lots = [{"h": 0, "account": holder.available, "points": 5, "earned_at": NOON}]
    document = {
        "headers": [header],
        "lots": [{**lots[0], "available_at": NOON}],
        "uses": [],
        "entries": [{"h": 0, "account": account, "points": points} for account, points in legs],
    }
    (transaction,) = ledger.post(site, books, document)
    site.execute(b"SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'")

    body = scalar(site, "SELECT body FROM ledger_leaves(%s, %s)", transaction, transaction)
    seal()

    assert json.loads(body)["reference"] == odd
    assert signing.canonical(json.loads(body)) == body.encode()
    stored = LedgerSeal.objects.get(transaction_id=transaction)
    assert bytes(stored.leaf_hash) == sha256(b"\x00" + body.encode()).digest()


def test_seals_are_a_chain_and_a_tree_over_everything_that_was_posted(
    site: Connection, books: Books, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "LEAVES_PER_CHUNK", 150)
    for _ in range(6):
        post_many(site, books, holder, 100)

    assert seal() == 600

    rows = list(LedgerSeal.objects.order_by("sequence"))
    assert [row.sequence for row in rows] == list(range(1, 601))
    chain, tree = sha256().digest(), merkle.Tree()
    for row in rows:
        chain = sha256(chain + bytes(row.leaf_hash)).digest()
        assert bytes(row.chain_hash) == chain
        tree.add(bytes(row.leaf_hash))
    assert root_at(600) == tree.root()
    for index in (0, 255, 256, 511, 512, 599):
        path = path_at(index, 600)
        leaf = bytes(rows[index].leaf_hash)
        assert merkle.root_by_path(leaf, index, 600, path) == tree.root()


def post_many(site: Connection, books: Books, holder: Holder, count: int) -> list[int]:
    """Post that many earns of status points in one database transaction."""
    headers = [
        {**ledger.header(books, holder, "earn"), "currency": books.status} for _ in range(count)
    ]
    legs = [(books.status_issued, -1), (holder.status, 1)]
    entries = [
        {"h": number, "account": account, "points": points}
        for number in range(count)
        for account, points in legs
    ]
    document = {"headers": headers, "lots": [], "uses": [], "entries": entries}
    return ledger.post(site, books, document)


def test_a_slow_transaction_holds_back_what_came_after_it_and_is_not_skipped(
    site: Connection, books: Books, database_urls: dict[str, str]
) -> None:
    slow_one, quick_one = ledger.enroll(site, books), ledger.enroll(site, books)
    with psycopg.connect(database_urls["site"]) as slow:
        before = ledger.earn(site, books, quick_one, 1)
        late = ledger.earn(slow, books, slow_one, 2)
        after = ledger.earn(site, books, quick_one, 3)

        for _ in range(600):
            jobs.run(sealing.SEAL_LEDGER, moment=NOON)
            if sealed():
                break
            time.sleep(0.1)
        assert sealed() == [before]

        slow.commit()
    seal()

    assert sealed() == [before, late, after]


def test_the_order_is_that_of_database_transactions_and_not_of_ids(
    site: Connection, books: Books, database_urls: dict[str, str]
) -> None:
    first_one, second_one = ledger.enroll(site, books), ledger.enroll(site, books)
    with psycopg.connect(database_urls["site"]) as slow:
        # It takes its number of a database transaction first, and its ids last.
        scalar(slow, "SELECT pg_current_xact_id()::text")
        early_id = ledger.earn(site, books, second_one, 1)
        late_id = ledger.earn(slow, books, first_one, 2)
        slow.commit()

    seal()

    assert early_id < late_id
    assert sealed() == [late_id, early_id]


def test_a_rolled_back_transaction_leaves_no_gap(
    site: Connection, books: Books, holder: Holder, database_urls: dict[str, str]
) -> None:
    with psycopg.connect(database_urls["site"]) as given_up:
        ledger.earn(given_up, books, holder, 5)
        given_up.rollback()
    kept = ledger.earn(site, books, holder, 7)

    seal()

    assert sealed() == [kept]
    assert LedgerSeal.objects.get().sequence == 1


def test_sealers_at_the_same_time_seal_everything_once(
    site: Connection, books: Books, holder: Holder, database_urls: dict[str, str]
) -> None:
    posted = [number for _ in range(4) for number in post_many(site, books, holder, 50)]

    def sealer() -> None:
        with psycopg.connect(database_urls["site"], autocommit=True) as own:
            while scalar(own, "SELECT ledger_seal(7)") or scalar(own, WAITS):
                pass

    threads = [threading.Thread(target=sealer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sealed() == posted


def test_a_second_run_seals_and_signs_nothing(
    site: Connection, books: Books, holder: Holder
) -> None:
    ledger.earn(site, books, holder, 5)
    assert seal() == 1

    assert seal() == 0

    assert LedgerCheckpoint.objects.count() == 1
    assert JobRun.objects.filter(name="seal_ledger", failure="").exists()


def test_the_command_seals(site: Connection, books: Books, holder: Holder) -> None:
    ledger.earn(site, books, holder, 5)

    while scalar(site, WAITS):
        call_command("seal_ledger")

    assert LedgerSeal.objects.count() == 1


def test_without_a_key_it_seals_and_says_that_it_cannot_sign(
    site: Connection, books: Books, holder: Holder, settings: Any
) -> None:
    settings.CHECKPOINT_KEY_FILE = None
    ledger.earn(site, books, holder, 5)

    assert seal() == 1
    failure = jobs.run(sealing.SEAL_LEDGER, moment=NOON).failure

    assert "no checkpoint: NoSigningKey: CHECKPOINT_KEY is not set" in failure
    assert LedgerCheckpoint.objects.exists() is False


def test_a_checkpoint_is_written_outside_and_signed(
    site: Connection, books: Books, holder: Holder, settings: Any
) -> None:
    ledger.earn(site, books, holder, 5)
    seal()
    row = LedgerCheckpoint.objects.get()

    (path,) = settings.CHECKPOINT_DIR.glob("*/*.json")
    outside = checkpoints.read(path)

    assert path.relative_to(settings.CHECKPOINT_DIR).as_posix() == "2026-03/000000000000001.json"
    assert outside.as_json() == checkpoints.signed(row).as_json()
    assert outside.is_signed_by(checkpoints.public_keys())
    assert outside.leaves == bytes(LedgerSeal.objects.get().leaf_hash)[:8]
    assert outside.body == {
        "chain_head": bytes(LedgerSeal.objects.get().chain_hash).hex(),
        "key_id": signing.key_id(outside.public_key),
        "kind": "loyalty checkpoint",
        "made_at": "2026-03-02T12:00:00Z",
        "root": bytes(LedgerSeal.objects.get().leaf_hash).hex(),
        "tree_size": 1,
        "version": 1,
    }
    assert settings.CHECKPOINT_KEY_FILE.stat().st_mode & 0o777 == 0o600


def test_a_key_of_the_environment_signs(
    site: Connection, books: Books, holder: Holder, settings: Any
) -> None:
    settings.CHECKPOINT_KEY = signing.new_key()
    settings.CHECKPOINT_KEY_FILE = None
    public = signing.public_key(settings.CHECKPOINT_KEY)
    settings.CHECKPOINT_PUBLIC_KEYS = [public.hex()]
    ledger.earn(site, books, holder, 5)

    seal()

    signed = checkpoints.signed(LedgerCheckpoint.objects.get())
    assert signed.is_signed_by(checkpoints.public_keys())
    assert not signed.is_signed_by(frozenset({b"\x00" * 32}))


def test_lags_tell_of_what_waits_and_of_who_holds_it_back(
    site: Connection, books: Books, holder: Holder, database_urls: dict[str, str]
) -> None:
    assert "seals" not in sealing_lags(moment=NOON)
    ledger.earn(site, books, holder, 5)
    assert sealing_lags(moment=NOON)["seals"] is None
    seal()
    assert "seals" not in sealing_lags(moment=NOON + DAY)

    with psycopg.connect(database_urls["site"]) as slow:
        number = int(scalar(slow, "SELECT pg_current_xact_id()::text"))
        ledger.earn(site, books, holder, 6)
        while scalar(site, "SELECT oldest_xid FROM ledger_sealing()") < number:
            time.sleep(0.1)
        for minute in range(3):
            jobs.run(sealing.SEAL_LEDGER, moment=NOON + timedelta(minutes=minute))
        lags = sealing_lags(moment=NOON + timedelta(minutes=7))
        assert lags == {"seals": 420, "xmin": 420}
        slow.rollback()
    seal(moment=NOON + timedelta(minutes=8))

    assert "seals" not in sealing_lags(moment=NOON + DAY)


def test_a_restored_cluster_seals_on_in_a_new_epoch(
    site: Connection, books: Books, holder: Holder, database_urls: dict[str, str]
) -> None:
    first = ledger.earn(site, books, holder, 5)
    seal()
    unsealed = ledger.earn(site, books, holder, 6)
    with psycopg.connect(database_urls["superuser"], autocommit=True) as superuser:
        # The old cluster was far ahead in its numbers of database transactions.
        superuser.execute(b"SET session_replication_role = replica")
        superuser.execute(
            b"UPDATE members_ledgertransaction SET xid = '9000000000' WHERE id = %s", (unsealed,)
        )
        superuser.execute(b"SELECT ledger_new_epoch()")
    later = ledger.earn(site, books, holder, 7)

    seal()

    assert sealed() == [first, unsealed, later]
