"""Campaigns that several of the staff start at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from campaigns.models import CampaignDraft, CampaignVersion, Publication
from campaigns.services import drafts
from campaigns.services import program as programs
from campaigns.tests.shop import DAY, NOON, apply, rule
from members.models import User
from members.services.approvals import NotWaiting

THREADS = 6


def people() -> list[User]:
    return [
        User.objects.create_user(f"clerk{n}@example.com", is_staff=True) for n in range(THREADS)
    ]


def body(number: int, budget: int | None) -> dict[str, Any]:
    return {
        "code": f"c{number}",
        "name": {"en": f"Campaign {number}"},
        "starts_at": (NOON - DAY).isoformat(),
        "ends_at": (NOON + DAY).isoformat(),
        "budget_points": budget,
        "rules": [rule(f"c{number}-rule", 1)],
    }


def at_once(act: Callable[[int], Any]) -> list[Any]:
    """Run the act in threads that are released together; return what each gave."""
    gate = threading.Barrier(THREADS)

    def wait_and_act(number: int) -> Any:
        try:
            gate.wait()
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(wait_and_act, range(THREADS)))


def start_all() -> set[str]:
    """Start a campaign of each person at once; return which are in the document then."""
    apply()
    clerks = people()
    written = [
        drafts.begin(body=body(number, 10), by=clerk, moment=NOON).pk
        for number, clerk in enumerate(clerks)
    ]
    at_once(lambda n: drafts.start(draft_id=written[n], by=clerks[n], moment=NOON).pk)
    return {each["code"] for each in drafts.live()["campaigns"]}


def test_campaigns_that_are_started_at_once_are_all_live(committed_database: str) -> None:
    assert start_all() == {f"c{number}" for number in range(THREADS)}
    assert Publication.objects.count() == 1 + THREADS


def test_without_the_lock_one_would_undo_the_other(
    committed_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: each reads the document before any of them writes it."""
    reading = threading.Barrier(THREADS)

    def read_together() -> Any:
        document = programs.live_document()
        if threading.current_thread() is not threading.main_thread():
            reading.wait(timeout=60)
        return document

    careless = SimpleNamespace(lock=lambda: None, live_document=read_together, apply=programs.apply)
    monkeypatch.setattr(drafts, "programs", careless)

    assert len(start_all()) < THREADS


def test_a_draft_that_many_approve_at_once_is_published_once(committed_database: str) -> None:
    apply()
    author, *others = [User.objects.create_user("ann@example.com", is_staff=True), *people()]
    draft = drafts.begin(body=body(0, None), by=author, moment=NOON)
    drafts.submit(draft_id=draft.pk, by=author, moment=NOON)

    def agree(number: int) -> bool:
        try:
            drafts.approve(draft_id=draft.pk, by=others[number], moment=NOON)
        except NotWaiting:
            return False
        return True

    assert sum(at_once(agree)) == 1
    assert CampaignVersion.objects.count() == 1
    assert CampaignDraft.objects.get().state == "published"
