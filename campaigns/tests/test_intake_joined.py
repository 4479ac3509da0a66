"""Purchases sent singly at once share a transaction, and each gets what it would get alone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.bodies import parse_purchase
from campaigns.services import intake, posting, run
from campaigns.services.intake import Asked
from campaigns.services.keys import Key, begin
from campaigns.services.opening import Row
from campaigns.tests.shop import (
    BASE,
    CARD,
    NOON,
    Till,
    apply,
    balances,
    basket,
    differences,
    join,
    line,
    program_file,
    refund,
    rule,
)
from campaigns.tests.test_intake_together import together
from loyalty_site.lib import joining
from loyalty_site.lib.errors import DomainError
from members.models import IdempotencyRecord, Purchase


def asked(body: Any, *, key: str = "", **fields: Any) -> Asked:
    """Return what a till asks, under a key of its own unless one is told."""
    found: dict[str, Any] = {"actor": "test", "moment": NOON, "currency": "points", **fields}
    return Asked(parse_purchase(orjson.dumps(body)), key=_key(key or str(uuid4())), **found)


def _key(text: str, fingerprint: bytes = b"f" * 32) -> Key:
    return Key("test", text, fingerprint)


def told(found: Any) -> Any:
    """Return the points of an answer, the code of a refusal, or None."""
    if isinstance(found, DomainError):
        return found.code
    return None if found is None else found.body["points"]["granted"]


# One group -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_group_is_two_statements_whatever_its_size() -> None:
    apply()
    cards = [f"60110003{n:02}" for n in range(5)]
    for card in cards:
        join(card)
    group = [asked(basket(card=card, at=NOON)) for card in cards]
    intake.process_group([asked(basket(card=cards[0], at=NOON))])

    with CaptureQueriesContext(connection) as captured:
        found = intake.process_group(group)

    names = [each["sql"].split("(")[0] for each in captured.captured_queries]
    assert [name for name in names if "SAVEPOINT" not in name] == [
        "SELECT intake_open",
        "SELECT intake_post",
    ]
    assert [told(each) for each in found] == [10] * 5


@pytest.mark.django_db
def test_each_of_a_group_is_answered_for_itself() -> None:
    apply()
    member = join()
    known = basket(at=NOON)
    intake.process_purchase(
        body=parse_purchase(orjson.dumps(known)), actor="test", moment=NOON, key=_key("known")
    )
    again = parse_purchase(orjson.dumps(known))
    group = [
        asked(basket(line(price="1.00"), at=NOON)),
        asked(basket(at=NOON, currency="USD")),
        asked(basket(at=NOON, card="nobody")),
        asked(basket(at=NOON + timedelta(hours=1))),
        Asked(again, "test", NOON, "points", _key("known")),
        Asked(again, "test", NOON, "points", _key("known", b"g" * 32)),
        asked(known),
        asked({**known, "store": "another"}),
        asked(basket(line(price="2.00"), at=NOON), currency="status"),
    ]

    found = intake.process_group(group)

    assert [told(each) for each in found] == [
        1,
        "currency_mismatch",
        "unknown_member",
        "in_the_future",
        10,
        "idempotency_key_reused",
        10,
        "purchase_conflict",
        2,
    ]
    replayed = [getattr(each, "replayed", None) for each in found]
    assert [n for n, each in enumerate(replayed) if each] == [4, 6]
    assert balances(member) == {"available": 13}
    assert Purchase.objects.count() == 3
    # A refusal is not kept, an answer is; what was kept before stays one row.
    kept = dict(IdempotencyRecord.objects.values_list("key", "status"))
    wanted = {0: 201, 6: 200, 8: 201}
    expected = {group[n].key.key: status for n, status in wanted.items()}  # type: ignore[union-attr]
    assert kept == {"known": 201, **expected}
    assert differences() == []


@pytest.mark.django_db
def test_each_of_a_group_is_written_down_as_its_own_tills() -> None:
    apply()
    join()
    group = [asked(basket(at=NOON), actor=f"client:{n}") for n in range(3)]

    intake.process_group(group)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.external_id, t.actor FROM members_ledgertransaction t"
            " JOIN members_purchase p ON p.public_id::text = t.external_ref GROUP BY 1, 2"
        )
        found = dict(cursor.fetchall())
    assert found == {each.body.external_id: each.actor for each in group}


@pytest.mark.django_db
def test_a_kept_answer_says_what_the_till_was_told() -> None:
    apply()
    join()
    group = [asked(basket(line(price=f"{n}.00"), at=NOON)) for n in (3, 4)]

    first = intake.process_group(group)
    again = intake.process_group(group)

    assert [orjson.loads(each.text) for each in again] == [  # type: ignore[union-attr]
        orjson.loads(each.text)  # type: ignore[union-attr]
        for each in first
    ]
    assert all(each.replayed for each in again)  # type: ignore[union-attr]
    assert Purchase.objects.count() == 2


@pytest.mark.django_db
def test_what_returns_wait_for_ends_a_group_and_the_rest_comes_alone() -> None:
    apply()
    member = join()
    till = Till()
    bodies = [basket(at=NOON) for _ in range(3)]
    till.post("returns", refund(bodies[0], at=NOON))

    found = intake.process_group([asked(each) for each in bodies])

    assert [told(each) for each in found] == [10, None, None]
    assert balances(member) == {}
    assert Purchase.objects.get().state == "returned"


@pytest.mark.usefixtures("committed_database")
def test_a_key_that_another_transaction_holds_refuses_its_row_alone() -> None:
    apply()
    join()
    group = [asked(basket(at=NOON), key="held by another"), asked(basket(at=NOON))]
    holds, ends = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                begin(_key("held by another"))
                holds.set()
                ends.wait(30)
        finally:
            connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    holds.wait(30)
    found = intake.process_group(group)
    ends.set()
    holder.join(30)

    assert [told(each) for each in found] == ["request_in_progress", 10]
    assert told(intake.process_group(group)[0]) == 10


# Threads -------------------------------------------------------------------------------------


TILLS = 8


class Late(joining.Joiner[Asked, Any]):
    """A joiner whose first leader goes alone, and not before all others wait."""

    has_begun = False

    def _take(self, group: Any) -> None:
        if self.has_begun:
            super()._take(group)
            return
        self.has_begun = True
        for _ in range(3000):
            if len(self._waiting) == TILLS - 1:
                return
            threading.Event().wait(0.01)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let one purchase go alone and the others wait for it; the value has the groups' sizes."""
    sizes: list[int] = []
    process_group = intake.process_group

    def noted(group: Sequence[Asked]) -> Any:
        sizes.append(len(group))
        return process_group(group)

    joiner = Late(
        alone=intake._joiner._alone,
        together=noted,
        names=lambda each: each.names,
        size_max=intake.JOINED_MAX,
    )
    monkeypatch.setattr(joining, "PATIENCE_SECONDS", 40.0)
    monkeypatch.setattr(intake, "_joiner", joiner)
    return sizes


@pytest.mark.usefixtures("committed_database")
def test_tills_that_wait_share_one_transaction(groups: list[int]) -> None:
    apply()
    members = [join(f"60110004{n:02}") for n in range(8)]
    till = [Till() for _ in range(8)]

    answers = together(TILLS, lambda n: till[n].post("purchases", basket(card=f"60110004{n:02}")))

    assert Counter(each.status_code for each in answers) == {201: 8}
    assert groups == [7]
    assert [balances(each) for each in members] == [{"available": 10}] * 8
    assert len({each.json()["id"] for each in answers}) == 8
    assert differences() == []


@pytest.mark.usefixtures("committed_database")
def test_a_budget_is_kept_by_a_group(groups: list[int]) -> None:
    campaign = {"code": "c", "name": "C", "status": "active", "budget_points": 100}
    apply(program_file(rules=[BASE], campaigns=[{**campaign, "rules": [rule("plus", 3)]}]))
    for n in range(8):
        join(f"60110004{n:02}")

    answers = together(TILLS, lambda n: _send(basket(card=f"60110004{n:02}")))

    assert groups == [7]
    assert sum(told(each) for each in answers) == 8 * 10 + 100
    assert differences() == []


def _send(body: Any) -> Any:
    return intake.process_purchase(
        body=parse_purchase(orjson.dumps(body)),
        actor="test",
        moment=timezone.now(),
        key=_key(str(uuid4())),
    )


@pytest.mark.usefixtures("committed_database")
def test_a_group_that_the_database_refuses_is_posted_one_by_one(
    groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    apply()
    member = join()
    bodies = [basket(line(price="5.00")) for _ in range(8)]
    real = posting.write

    def failing(document: Any, *rest: Any) -> None:
        real(document, *rest)
        if any(row["external_id"] == bodies[3]["external_id"] for row in document.purchases):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(run, "write", failing)
    answers = together(TILLS, lambda n: _or_error(lambda: told(_send(bodies[n]))))

    assert answers == [5, 5, 5, "DataError", 5, 5, 5, 5]
    assert balances(member) == {"available": 35}
    assert differences() == []


def _or_error(act: Any) -> Any:
    try:
        return act()
    except BaseException as error:
        return type(error).__name__


@pytest.mark.usefixtures("committed_database")
def test_a_leader_who_is_ended_after_the_commit_leaves_every_purchase_posted_once(
    groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others ask again by themselves, and find what the group has kept for them."""
    apply()
    member = join()
    bodies = [basket() for _ in range(8)]
    real = run.Run.many

    def ended(self: Any, rows: Any) -> None:
        real(self, rows)
        raise SystemExit

    monkeypatch.setattr(run.Run, "many", ended)
    found = together(TILLS, lambda n: _or_error(lambda: _send(bodies[n])))

    assert groups == [7]
    assert found.count("SystemExit") == 1
    assert Counter(each.replayed for each in found if each != "SystemExit") == {True: 6, False: 1}
    assert balances(member) == {"available": 80}
    assert Purchase.objects.count() == 8
    assert differences() == []


@pytest.mark.usefixtures("committed_database")
def test_without_keys_and_names_of_its_own_a_purchase_asked_again_is_posted_again(
    groups: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Show that the test above can fail: it is the key and the name that make it once."""
    apply()
    member = join()
    real = run.Run.many

    def ended(self: Any, rows: Any) -> None:
        real(self, rows)
        raise SystemExit

    monkeypatch.setattr(run.Run, "many", ended)
    monkeypatch.setattr(intake.Asked, "row", property(_renamed))
    found = together(TILLS, lambda _: _or_error(lambda: _send(basket())))

    assert (groups, found.count("SystemExit")) == ([7], 1)
    assert Purchase.objects.count() > 8
    assert balances(member)["available"] > 80


def _renamed(self: Asked) -> Any:
    body = parse_purchase(orjson.dumps(basket(card=CARD)))
    return Row(body, uuid4(), self.actor, self.currency, _key(str(uuid4())))
