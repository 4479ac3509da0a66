"""Many tills at once: one posting per key, exact budgets, whoever comes first."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from allauth.idp.oidc.models import Client
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.bodies import parse_purchase
from campaigns.models import LimitCounter
from campaigns.services import intake
from campaigns.services.keys import Key, begin
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    Till,
    apply,
    balances,
    basket,
    differences,
    join,
    line,
    make_token,
    program_file,
    refund,
    rule,
)
from members.models import Purchase

KEY = "one-key-for-all-of-them"


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Return what ``act`` gives in threads that are released at once."""
    gate = threading.Barrier(count)

    def run(number: int) -> Any:
        try:
            gate.wait(30)
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


class Wire:
    """A client that really goes over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bearer = f"Bearer {make_token('purchases:write')}"

    def post(self, path: str, body: Any, key: str) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and body of the answer."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            json.dumps(body).encode(),
            {
                "Authorization": self.bearer,
                "Idempotency-Key": key,
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, dict(response.headers), json.load(response)
        except urllib.error.HTTPError as refused:
            return refused.code, dict(refused.headers), json.load(refused)


# T1 ------------------------------------------------------------------------------------------


def test_sixty_four_requests_with_one_key_post_once(live_site: str) -> None:
    apply()
    member = join()
    wire, body = Wire(live_site), basket()

    answers = together(64, lambda _: wire.post("purchases", body, KEY))

    statuses = Counter(status for status, _, _ in answers)
    assert set(statuses) <= {201, 409}
    posted = {json.dumps(body) for status, _, body in answers if status == 201}
    assert len({json.loads(each)["id"] for each in posted}) == 1
    first = [h for status, h, _ in answers if status == 201 and "Idempotent-Replayed" not in h]
    assert len(first) == 1
    for status, headers, found in answers:
        if status == 409:
            assert found["code"] == "request_in_progress"
            assert int(headers["Retry-After"]) >= 1
    assert balances(member) == {"available": 10}
    assert wire.post("purchases", basket(), KEY)[2]["code"] == "idempotency_key_reused"
    assert differences() == []


def test_without_the_key_and_the_name_every_request_posts(live_site: str) -> None:
    """Show that the test above can fail: nothing else holds the requests back."""
    apply()
    member = join()
    wire = Wire(live_site)

    answers = together(8, lambda _: wire.post("purchases", basket(), str(uuid4())))

    assert [status for status, _, _ in answers] == [201] * 8
    assert balances(member) == {"available": 80}


@pytest.mark.usefixtures("committed_database")
def test_a_key_in_flight_is_409_until_its_request_ends() -> None:
    apply()
    join()
    till, body = Till(), basket()
    caller = f"client:{till_client(till)}"
    holds, ends = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                begin(Key(caller, KEY, b"f" * 32))
                holds.set()
                ends.wait(30)
        finally:
            connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    holds.wait(30)
    refused = till.post("purchases", body, key=KEY)
    broken = till.post("purchases", b"{", key=KEY)
    ends.set()
    holder.join(30)

    assert (refused.status_code, refused.json()["code"]) == (409, "request_in_progress")
    assert refused["Retry-After"] == "1"
    assert broken.json()["code"] == "request_in_progress"
    assert till.post("purchases", body, key=KEY).status_code == 201


def till_client(till: Till) -> str:
    """Return the id of the till's client."""
    return str(Client.objects.get().pk)


@pytest.mark.usefixtures("committed_database")
def test_two_tills_with_one_purchase_get_one_result() -> None:
    apply()
    member = join()
    tills, body = [Till() for _ in range(8)], basket()

    answers = together(8, lambda n: tills[n].post("purchases", body))

    assert sorted(each.status_code for each in answers) == [200] * 7 + [201]
    assert len({each.json()["id"] for each in answers}) == 1
    assert sum("Idempotent-Replayed" in each for each in answers) == 7
    assert balances(member) == {"available": 10}


@pytest.mark.usefixtures("committed_database")
def test_a_purchase_and_its_return_at_once_meet_each_other() -> None:
    apply()
    member = join()
    till = Till()
    bodies = [basket() for _ in range(12)]
    backs = [refund(each) for each in bodies]

    answers = together(
        24,
        lambda n: (
            till.post("returns", backs[n // 2]) if n % 2 else till.post("purchases", bodies[n // 2])
        ),
    )

    assert {each.status_code for each in answers} <= {201, 202}
    assert set(Purchase.objects.values_list("state", flat=True)) == {"returned"}
    assert balances(member) == {}
    assert differences() == []


# Limits --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("committed_database")
def test_a_budget_is_used_up_exactly_by_sixteen_tills() -> None:
    campaign = {"code": "c", "name": "C", "status": "active", "budget_points": 1000}
    apply(program_file(rules=[BASE], campaigns=[{**campaign, "rules": [rule("plus", 7)]}]))
    members = [join(f"60110001{n:02}") for n in range(16)]
    now = timezone.now()

    def shop(number: int) -> int:
        granted = 0
        for _ in range(3):
            body = parse_purchase(basket(card=f"60110001{number:02}"))
            answer = intake.process_purchase(body=body, actor="test", moment=now)
            granted += answer.body["points"]["granted"]
        return granted

    granted = together(16, shop)

    # 48 purchases give 10 each, and together exactly the thousand of the budget.
    assert sum(granted) == 48 * 10 + 1000
    assert LimitCounter.objects.get().points == 1000
    assert sum(balances(each)["available"] for each in members) == 1480
    assert differences() == []


@pytest.mark.usefixtures("committed_database")
def test_batches_with_the_same_purchases_never_wait_for_each_other_in_a_circle() -> None:
    limited = {**BASE, "limits": [{"per": "member", "period": "day", "points": 40}]}
    apply(program_file(rules=[limited, BASE_STATUS]))
    for number in range(6):
        join(f"60110002{number:02}")
    bodies = [basket(card=f"60110002{n % 6:02}") for n in range(24)]
    now = timezone.now()

    def send(number: int) -> list[str]:
        turned = bodies[number * 3 :] + bodies[: number * 3]
        rows = [parse_purchase(each) for each in turned]
        return [row.status for row in intake.process_batch(bodies=rows, actor="t", moment=now)]

    found = together(6, send)

    assert Counter(status for statuses in found for status in statuses) == {
        "created": 24,
        "duplicate": 120,
    }
    assert deadlocks() == 0
    assert differences() == []


def deadlocks() -> int:
    """Return how many transactions the server has given up for another one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        found: int = cursor.fetchone()[0]
    return found


# S2 ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=False)
@pytest.mark.parametrize(
    ("limits", "statements"),
    [
        ([], ["intake_open", "intake_post"]),
        (
            [{"per": "member", "period": "day", "points": 1000}],
            ["intake_open", "limits_reserve", "intake_post"],
        ),
    ],
    ids=["unlimited", "limited"],
)
def test_a_warm_purchase_takes_at_most_three_statements(
    limits: list[dict[str, Any]], statements: list[str]
) -> None:
    apply(program_file(rules=[{**BASE, "limits": limits}, BASE_STATUS]))
    join()
    till = Till()
    till.post("purchases", basket())

    with CaptureQueriesContext(connection) as captured:
        till.post("purchases", basket(line(price="12.00"), at=timezone.now() - DAY))

    found = [
        each["sql"].split("(")[0].removeprefix("SELECT ")
        for each in captured.captured_queries
        if "SAVEPOINT" not in each["sql"]
    ]
    assert found == statements


# Killed between commit and answer ------------------------------------------------------------


def test_a_server_killed_before_it_answers_has_posted_once_or_not_at_all(
    granian_site: Any,
) -> None:
    apply()
    member = join()
    wire = Wire(granian_site.url)
    for delay in (0.0, 0.02, 0.06):
        body, key = basket(), str(uuid4())
        asked = threading.Thread(target=_ask_in_vain, args=(wire, body, key))
        asked.start()
        time.sleep(delay)
        granian_site.kill()
        asked.join(60)
        granian_site.start()
        wire.url = granian_site.url

        status, _, answer = wire.post("purchases", body, key)

        assert status == 201
        assert wire.post("purchases", body, str(uuid4()))[2] == answer
    assert Purchase.objects.count() == 3
    assert balances(member) == {"available": 30}
    assert differences() == []


def _ask_in_vain(wire: Wire, body: Any, key: str) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        wire.post("purchases", body, key)
