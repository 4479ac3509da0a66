"""What /healthz and /readyz answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from loyalty_site import views_health
from members.models import Heartbeat, OutboxEvent, Program

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_program() -> Program:
    return Program.objects.create(code="main", name="Club", currency="EUR", timezone="UTC")


def test_healthz_answers_without_asking_the_database() -> None:
    answer = Client().get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz_refuses_while_there_is_no_program() -> None:
    answer = Client().get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": True, "migrations": True, "program": False}


@pytest.mark.django_db
def test_readyz_answers_although_nothing_works_in_the_background() -> None:
    make_program()

    answer = Client().get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["behind"] == [
        {"name": "worker", "seconds": None},
        {"name": "beat", "seconds": None},
    ]


@pytest.mark.django_db
def test_nothing_is_behind_while_both_hearts_beat() -> None:
    make_program()
    for name in ("worker", "beat"):
        Heartbeat.objects.create(name=name, beat_at=timezone.now())

    assert Client().get("/readyz").json()["behind"] == []


@pytest.mark.django_db
def test_an_old_heartbeat_and_an_old_event_are_behind_by_their_age() -> None:
    program = make_program()
    Heartbeat.objects.create(name="worker", beat_at=NOON - timedelta(seconds=61))
    Heartbeat.objects.create(name="beat", beat_at=NOON - timedelta(seconds=45))
    for age in (151, 200):
        OutboxEvent.objects.create(
            program=program, kind="told", created_at=NOON - timedelta(seconds=age)
        )
    OutboxEvent.objects.create(
        program=program, kind="told", created_at=NOON - timedelta(days=1), delivered_at=NOON
    )

    assert views_health.lags(now=NOON) == [
        {"name": "worker", "seconds": 61},
        {"name": "outbox", "seconds": 200},
    ]


@pytest.mark.django_db
def test_readyz_refuses_when_the_database_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connection, "ensure_connection", refuse)

    answer = Client().get("/readyz")

    assert (answer.status_code, answer.json()["checks"]["database"]) == (503, False)


@pytest.mark.django_db
def test_seals_that_wait_for_long_are_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    lags = {"seals": 301, "xmin": 300}
    monkeypatch.setattr(views_health, "sealing_lags", lambda *, moment: lags)

    found = views_health.lags(now=NOON)

    assert {"name": "seals", "seconds": 301} in found
    assert "xmin" not in {lag["name"] for lag in found}
