"""Keyed requests against a real database."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from django.db import connections

from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.idempotency import IdempotencyKeyReused, RequestInProgress
from members.models import IdempotencyRecord, Program
from members.services import idempotency

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "key-0000-0000-0000"


class OutOfTea(DomainError):
    """A refusal that a repeat gets again."""

    code = "test_out_of_tea"
    is_stored_refusal: ClassVar[bool] = True


class Passing(DomainError):
    """A refusal that a repeat may not get again."""

    code = "test_passing"


def run(act: Any, *, key: str = KEY, caller: str = "client:a", body: bytes = b"1" * 32) -> Any:
    """Run under the usual key."""
    return idempotency.run(
        caller=caller, key=key, fingerprint=body, moment=NOW, act=act, request_id="r-1"
    )


def make_program(code: str = "main") -> Program:
    """Write something that a rollback would undo."""
    return Program.objects.create(code=code, name="P", currency="EUR", timezone="Europe/Lisbon")


def test_a_repeat_gets_the_first_answer_and_does_nothing(db: None) -> None:
    def act() -> idempotency.Outcome:
        make_program()
        return 201, {"at": NOW, "points": 5}, None

    first = run(act)
    again = run(act)

    assert first == idempotency.Answer(201, {"at": NOW, "points": 5}, replayed=False)
    assert again == idempotency.Answer(
        201, {"at": "2026-03-01T12:00:00Z", "points": 5}, replayed=True
    )
    assert Program.objects.count() == 1


def test_a_key_belongs_to_its_caller(db: None) -> None:
    run(lambda: (200, {"n": 1}, None))

    answer = run(lambda: (200, {"n": 2}, None), caller="client:b")

    assert answer == idempotency.Answer(200, {"n": 2}, replayed=False)


def test_another_request_under_the_key_is_refused(db: None) -> None:
    run(lambda: (200, {}, None))

    with pytest.raises(IdempotencyKeyReused):
        run(lambda: (200, {}, None), body=b"2" * 32)


def test_a_stored_refusal_undoes_the_act_and_is_kept(db: None) -> None:
    def act() -> idempotency.Outcome:
        make_program()
        raise OutOfTea("No tea is left.", available=0)

    first = run(act)
    again = run(lambda: (201, {}, None))

    assert (first.status, first.body["code"], first.body["available"]) == (
        409,
        "test_out_of_tea",
        0,
    )
    assert again == idempotency.Answer(409, first.body, replayed=True)
    assert again.body["request_id"] == "r-1"
    assert Program.objects.exists() is False


def test_another_refusal_leaves_the_key_free(db: None) -> None:
    def act() -> idempotency.Outcome:
        make_program()
        raise Passing

    with pytest.raises(Passing):
        run(act)

    assert IdempotencyRecord.objects.exists() is False
    assert Program.objects.exists() is False
    assert run(lambda: (201, {}, None)).replayed is False


def test_wrapping_costs_two_calls_and_two_savepoints(
    db: None, django_assert_num_queries: Any
) -> None:
    # Inside a test the outer transaction is a savepoint as well.
    with django_assert_num_queries(6):
        run(lambda: (200, {}, None))


def test_a_key_in_use_is_refused_until_its_request_ends(committed_database: str) -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow() -> idempotency.Outcome:
        inside.set()
        leave.wait(20)
        return 201, {"n": 1}, None

    def first() -> None:
        run(slow)
        connections.close_all()

    worker = threading.Thread(target=first)
    worker.start()
    inside.wait(20)
    with pytest.raises(RequestInProgress) as refused:
        run(lambda: (201, {"n": 2}, None))
    leave.set()
    worker.join(20)

    assert refused.value.figures == {"retry_after": 1}
    assert run(lambda: (201, {"n": 3}, None)) == idempotency.Answer(201, {"n": 1}, replayed=True)


def test_of_many_requests_with_one_key_one_acts(committed_database: str) -> None:
    start = threading.Barrier(16)
    acted: list[int] = []
    outcomes: list[str] = []

    def request(number: int) -> None:
        def act() -> idempotency.Outcome:
            acted.append(number)
            return 201, {"n": number}, None

        start.wait(20)
        try:
            outcomes.append("replayed" if run(act).replayed else "acted")
        except RequestInProgress:
            outcomes.append("busy")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=request, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(acted) == outcomes.count("acted") == 1
    assert len(outcomes) == 16
