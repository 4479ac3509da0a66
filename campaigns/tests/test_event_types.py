"""Events of types that the program knows: their payloads, their limits, who may tell of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from campaigns.bodies import parse_event
from campaigns.earning.event_types import compile_type
from campaigns.models import Event
from campaigns.programfile import ProgramFileError, parse
from campaigns.services import events
from campaigns.services.event_checks import EventNeedsClick, EventUnfitting
from campaigns.tests.shop import BASE, CARD, NOON, Till, apply, balances, join, program_file
from campaigns.tests.test_events_api import event
from loyalty_site.lib.wire import dumps
from members.models import Member

pytestmark = pytest.mark.django_db

REVIEW: dict[str, Any] = {
    "code": "review",
    "name": "Review",
    "verification": "verified",
    "payload": {
        "stars": "integer",
        "text": "text",
        "price": "number",
        "is_public": "bool",
        "bought_on": "date",
    },
    "required": ["stars"],
}
THANKS = {
    "code": "thanks",
    "trigger": "event:review",
    "effects": [{"kind": "earn_fixed", "currency": "points", "points": 10}],
}

_numbers = count(1)


def opened(**known: Any) -> Member:
    """Open a shop that knows reviews, and enroll its member."""
    apply(program_file(rules=[BASE, THANKS], events=[{**REVIEW, **known}]))
    return join()


def tell(at: datetime = NOON, **payload: Any) -> dict[str, Any]:
    """Post a review and return its answer."""
    body = {
        "type": "review",
        "member": {"identifier": CARD},
        "source": "shop",
        "external_id": f"V-{next(_numbers)}",
        "occurred_at": at.isoformat(),
        "payload": {"stars": 5, **payload},
    }
    answer: dict[str, Any] = events.process_event(
        body=parse_event(body), actor="shop", moment=at
    ).body
    return answer


FITTING: dict[str, Any] = {
    "text": "Good tea",
    "price": "12.50",
    "is_public": False,
    "bought_on": "2026-02-28",
    "purchase": {"source": "pos", "external_id": "R-1"},
}


def test_a_payload_that_fits_is_kept_whole_with_keys_that_nobody_declared() -> None:
    member = opened()

    answer = tell(**FITTING)

    assert answer["points"]["granted"] == 10
    assert Event.objects.get().payload == {"stars": 5, **FITTING}
    assert balances(member) == {"available": 10}


@pytest.mark.parametrize(
    ("payload", "pointers"),
    [
        ({"stars": None}, ["/payload/stars"]),
        ({"stars": "5"}, ["/payload/stars"]),
        ({"stars": True}, ["/payload/stars"]),
        ({"text": " "}, ["/payload/text"]),
        ({"text": 5}, ["/payload/text"]),
        ({"price": "dear"}, ["/payload/price"]),
        ({"price": "NaN"}, ["/payload/price"]),
        ({"is_public": "yes"}, ["/payload/is_public"]),
        ({"bought_on": "2026-02-29"}, ["/payload/bought_on"]),
        ({"stars": "5", "text": 5}, ["/payload/stars", "/payload/text"]),
    ],
    ids=str,
)
def test_a_payload_that_does_not_fit_is_refused_with_its_places_and_nothing_is_kept(
    payload: dict[str, Any], pointers: list[str]
) -> None:
    member = opened()

    with pytest.raises(EventUnfitting) as refused:
        tell(**payload)

    assert [each.pointer for each in refused.value.errors] == pointers
    assert (Event.objects.count(), balances(member)) == (0, {})


def test_the_api_answers_422_with_pointers() -> None:
    opened()

    answer = Till("events:write").post("events", event(type="review", payload={}))

    assert (answer.status_code, answer.json()["code"]) == (422, "event_unfitting")
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/payload/stars"]


def test_a_type_that_nobody_declared_is_kept_as_it_comes() -> None:
    opened()

    answer = Till("events:write").post("events", event(type="other", payload={"stars": "many"}))

    assert (answer.status_code, answer.json()["points"]["granted"]) == (201, 0)


@pytest.mark.parametrize(
    ("_case", "known", "at", "granted"),
    [
        ("verified: no limit", {}, [0, 1, 2], [10, 10, 10]),
        ("declared: once a day by default", {"verification": "declared"}, [0, 1, 24], [10, 0, 10]),
        (
            "declared: what the program says",
            {"verification": "declared", "limit": {"period": "week", "uses": 2}},
            [0, 1, 48, 7 * 24],
            [10, 10, 0, 10],
        ),
        (
            "verified with a limit of a month",
            {"limit": {"period": "month", "uses": 1}},
            [0, 24 * 29, 24 * 30],
            [10, 0, 10],
        ),
        (
            "once in all",
            {"limit": {"period": "lifetime", "uses": 1}},
            [0, 24 * 800],
            [10, 0],
        ),
    ],
    ids=["verified", "default", "week", "month", "lifetime"],
)
def test_what_is_beyond_the_limit_is_kept_and_gives_nothing(
    _case: str, known: dict[str, Any], at: list[int], granted: list[int]
) -> None:
    opened(**known)

    answers = [tell(NOON + timedelta(hours=hours)) for hours in at]

    assert [answer["points"]["granted"] for answer in answers] == granted
    assert Event.objects.count() == len(at)
    for answer, points in zip(answers, granted, strict=True):
        reasons = [each["reason"] for each in answer["not_applied"]]
        assert reasons == ([] if points else ["event_limit_reached"])


def test_days_of_a_limit_are_those_of_the_programs_calendar() -> None:
    head = {**program_file()["program"], "timezone": "Pacific/Auckland"}
    known = {**REVIEW, "verification": "declared"}
    apply(program_file(rules=[BASE, THANKS], events=[known], program=head))
    join()

    # 23:59 and 00:01 of Auckland, which is thirteen hours ahead in March.
    first = tell(datetime(2026, 3, 2, 10, 59, tzinfo=UTC))
    second = tell(datetime(2026, 3, 2, 11, 1, tzinfo=UTC))

    assert [first["points"]["granted"], second["points"]["granted"]] == [10, 10]


def test_a_repeat_answers_the_first_result_whatever_the_limit_is_by_now() -> None:
    opened(verification="declared")
    till = Till("events:write")
    body = event(type="review", payload={"stars": 4})

    first = till.post("events", body)
    again = till.post("events", body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["points"] == again.json()["points"]
    assert first.json()["points"]["granted"] == 10


def test_what_only_a_click_may_tell_is_refused_from_a_client() -> None:
    member = opened(verification="clicked")

    with pytest.raises(EventNeedsClick):
        tell()

    assert (Event.objects.count(), balances(member)) == (0, {})


def test_what_is_declared_counts_once_a_day_without_saying() -> None:
    told = {**REVIEW, "payload": {}, "required": [], "limit": None}

    declared = compile_type({**told, "verification": "declared"})
    clicked = compile_type({**told, "verification": "clicked"})

    assert (declared.period, declared.uses) == ("day", 1)
    assert (clicked.period, clicked.uses) == (None, None)


@pytest.mark.parametrize(
    ("_case", "change", "path"),
    [
        ("a type of keys", {"payload": {"stars": "float"}}, "events[0].payload.stars"),
        ("a key that is not there", {"required": ["mood"]}, "events[0].required[0]"),
        ("a verification", {"verification": "believed"}, "events[0].verification"),
        ("no use", {"limit": {"period": "day", "uses": 0}}, "events[0].limit.uses"),
        ("a long type", {"code": "x" * 65}, "events[0].code"),
    ],
    ids=["type", "key", "verification", "uses", "code"],
)
def test_a_file_says_what_is_wrong_with_a_type(
    _case: str, change: dict[str, Any], path: str
) -> None:
    with pytest.raises(ProgramFileError) as refused:
        parse(dumps(program_file(events=[{**REVIEW, **change}])).decode())

    assert path in [each.path for each in refused.value.problems]
