"""Data of an older version migrate forward, are proved, and everything goes on with them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from campaigns.bodies import parse_purchase
from campaigns.queries import rulebook
from campaigns.services import intake
from loyalty_site.tests import club
from loyalty_site.tests.copies import empty_database, points_of
from members.models import LedgerAccount, LedgerEntry, Member, PointLot, Purchase, Return
from members.services import jobs, reconciliation
from members.services.periodic import JOBS

VERSIONS = Path(__file__).resolve().parent / "versions"
# The data end on 22 November 2026.
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = datetime(2028, 1, 1, tzinfo=UTC)
# All points of the members, their pending ones and the held ones of a lapsed hold included.
ENDING = 4819


@pytest.fixture
def first_version(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Restore the data of the first version, which also migrates them; gives what was said."""
    said = io.StringIO()
    with django_db_blocker.unblock(), empty_database():
        rulebook.forget()
        call_command("restore", str(VERSIONS / "first.sql.gz"), stdout=said)
        yield said.getvalue()
    rulebook.forget()


def richest() -> Member:
    """Return the member with the most points."""
    account = LedgerAccount.objects.filter(
        kind="available", currency_kind="redeemable", member__isnull=False
    ).latest("balance")
    assert account.member is not None
    return account.member


def buy(member: Member) -> dict[str, int]:
    """Post a purchase of 20 euros and return what it changed."""
    before = points_of(member)
    body: dict[str, Any] = {
        **{"source": "upgraded", "external_id": "1", "occurred_at": NOW.isoformat()},
        **{"currency": "EUR", "member": {"id": str(member.public_id)}},
        "lines": [{"line_id": "1", "category": "grocery", "quantity": "1", "unit_price": "20"}],
    }
    intake.process_purchase(body=parse_purchase(body), actor="client:till", moment=NOW)
    return {kind: points - before[kind] for kind, points in points_of(member).items()}


def test_first_version_is_proved_and_goes_on(first_version: str) -> None:
    assert "943 entries with 0 differences" in first_version
    assert "Ready to serve." in first_version
    member = richest()

    # A quarter more for Silver; a hold of before had lapsed and comes back first.
    assert buy(member) == {"available": 150, "pending": 25, "held": -150, "debt": 0}

    before = points_of(member)["available"]
    club.redeem(member, at=NOW)
    assert points_of(member)["available"] == before - 150

    untouched = Purchase.objects.filter(member=member, source="complete-journey")
    old = untouched.exclude(pk__in=Return.objects.values("purchase")).earliest("occurred_at")
    given = sum(award.points for award in old.awards.filter(currency__kind="redeemable"))
    assert given > 0
    club.bring_back(old, at=NOW)
    assert points_of(member)["available"] == before - 150 - given

    assert reconciliation.verify().is_proved


def test_old_lots_end_when_they_were_to_end(first_version: str) -> None:
    for name in ("activate_points", "expire_points"):
        assert jobs.run(JOBS[name], moment=LATER).failure == ""

    assert not PointLot.objects.filter(expires_at__lte=LATER, remaining__gt=0).exists()
    expired = LedgerEntry.objects.filter(transaction__type="expire", points__lt=0)
    assert sum(-entry.points for entry in expired) == ENDING
    assert reconciliation.verify().is_proved
