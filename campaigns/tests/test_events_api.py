"""Events over the API, sentence by sentence of the wire contract."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

import pytest
from django.utils import timezone

from campaigns.models import Event
from campaigns.tests.shop import (
    CARD,
    DAY,
    Till,
    apply,
    balances,
    differences,
    join,
    program_file,
)
from members.models import Member

pytestmark = pytest.mark.django_db

FIXED = {"kind": "earn_fixed", "currency": "points", "points": 30}
NEWSLETTER = {"code": "newsletter", "trigger": "event:newsletter", "effects": [FIXED]}

_numbers = count(1)


@pytest.fixture
def member() -> Member:
    """Open a shop that thanks for newsletters, and enroll its member."""
    apply(program_file(rules=[NEWSLETTER]))
    return join()


@pytest.fixture
def till(member: Member) -> Till:
    """Give a client that posts events."""
    return Till("events:write")


def event(at: datetime | None = None, **fields: Any) -> dict[str, Any]:
    """Return an event with a name of its own."""
    return {
        "type": "newsletter",
        "member": {"identifier": CARD},
        "source": "site",
        "external_id": f"E-{next(_numbers)}",
        "occurred_at": (at or timezone.now() - DAY).isoformat(),
        "payload": {"list": "weekly"},
        **fields,
    }


def code(response: Any) -> tuple[int, str]:
    """Return the status and code of a refusal."""
    return response.status_code, response.json()["code"]


def test_an_event_is_answered_with_points_and_their_reasons(till: Till, member: Member) -> None:
    response = till.post("events", event())

    answer = response.json()
    assert response.status_code == 201
    assert answer["member"] == str(member.public_id)
    assert answer["points"] == {"granted": 30, "available": 30, "pending": 0, "paid_debt": 0}
    assert [row["rule"]["code"] for row in answer["receipt"]] == ["newsletter"]
    assert balances(member) == {"available": 30}
    assert differences() == []


def test_a_type_that_no_rule_names_is_kept_and_grants_nothing(till: Till) -> None:
    answer = till.post("events", event(type="visit")).json()

    assert answer["points"]["granted"] == 0
    assert answer["receipt"] == []
    assert Event.objects.get().type == "visit"


def test_the_same_event_answers_the_first_result_under_any_key(till: Till, member: Member) -> None:
    body = event(payload={"a": 1, "b": 2})
    first = till.post("events", body)

    again = till.post("events", {**body, "payload": {"b": 2, "a": 1}})

    assert (again.status_code, again["Idempotent-Replayed"]) == (200, "true")
    assert again.json() == first.json()
    assert balances(member) == {"available": 30}


@pytest.mark.parametrize("change", [{"type": "visit"}, {"payload": {}}], ids=str)
def test_other_content_under_the_same_name_is_409(till: Till, change: dict[str, Any]) -> None:
    body = event()
    till.post("events", body)

    assert code(till.post("events", {**body, **change})) == (409, "event_conflict")


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"member": {"identifier": "nobody"}}, (422, "unknown_member")),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, (422, "in_the_future")),
        ({"member": None}, (400, "invalid")),
        ({"payload": {"price": 1.5}}, (400, "invalid")),
    ],
    ids=["member", "future", "nobody", "decimal"],
)
def test_a_refused_event_leaves_nothing(
    till: Till, change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    assert code(till.post("events", event(**change))) == refusal
    assert Event.objects.count() == 0


def test_limits_count_by_the_day_of_the_event(till: Till) -> None:
    limited = {**NEWSLETTER, "limits": [{"per": "member", "period": "day", "points": 50}]}
    apply(program_file(rules=[limited]), timezone.now() - 9 * DAY)
    yesterday, before = timezone.now() - DAY, timezone.now() - 2 * DAY

    answers = [till.post("events", event(at)).json() for at in (yesterday, yesterday, before)]
    capped = till.post("events", event(yesterday)).json()

    assert [answer["points"]["granted"] for answer in answers] == [30, 20, 30]
    assert capped["receipt"][0]["points"] == 0
    assert capped["receipt"][0]["requested"] == 30
    assert {answer["capped_by"] for answer in [capped["receipt"][0], answers[1]["receipt"][0]]} == {
        "member_day"
    }


def test_a_dry_run_tells_the_same_and_keeps_nothing(till: Till, member: Member) -> None:
    body = event()

    rehearsed = till.post("events?dry_run=true", body, key="")
    posted = till.post("events", body).json()

    assert rehearsed.status_code == 200
    assert rehearsed.json() == {**posted, "id": None, "dry_run": True}
    assert balances(member) == {"available": 30}


def test_an_event_needs_its_scope_and_a_key(till: Till) -> None:
    assert code(Till("purchases:write").post("events", event())) == (403, "insufficient_scope")
    assert code(till.post("events", event(), key="")) == (400, "idempotency_key_required")


def test_a_new_rule_holds_for_events_from_its_publication_on(till: Till) -> None:
    apply(program_file(rules=[]), timezone.now())

    assert till.post("events", event()).json()["points"]["granted"] == 0
