"""Staff record what a bank document paid, and everybody sees what was given together."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.tests.shop import apply, basket, buy, join, line, program_file
from loyalty_site.tests import staffed
from members.models import Program
from rewards.models import Payout
from rewards.services.redemptions import Order, redeem

MEALS = {
    "code": "meals",
    "kind": "donation",
    "name": {"en": "A meal"},
    "points_price": 100,
    "donation": {"rate": "0.02", "match_percent": "100", "target": "8.00"},
}


@pytest.fixture
def root(db: None) -> Client:
    """Return the browser of a superuser, in a club in which 100 points were given."""
    now = timezone.now()
    apply(program_file(rewards=[MEALS]), moment=now - timedelta(days=30))
    member = join(at=now - timedelta(days=20))
    buy(basket(line("1", "300.00"), at=now - timedelta(days=10)), moment=now)
    order = Order(member=member, reward="meals", caller="client:till")
    redeem(program=Program.objects.get(), order=order, moment=now)
    return staffed.browser_of(staffed.superuser())


def filled(**told: Any) -> dict[str, Any]:
    """Return the form of a document over all that was given."""
    today = timezone.localdate() + timedelta(days=1)
    reward = Program.objects.get().rewards.get(code="meals").pk
    return {
        **{"reward": reward, "last_day": today.isoformat(), "document_date": today.isoformat()},
        **{"reference": "=B-1", "amount": "4.00", **told},
    }


def test_staff_record_a_document_and_read_it_entry_by_entry(root: Client) -> None:
    url = reverse("admin:rewards_payout_record")
    assert "4.00" in root.get(url).content.decode()

    wrong = root.post(url, filled(amount="3.00")).content.decode()
    assert "are worth 4." in wrong
    answer = root.post(url, filled())

    payout = Payout.objects.get()
    page = root.get(answer["Location"]).content.decode()
    file = root.get(reverse("admin:rewards_payout_lines", args=[payout.pk]))
    rows = list(csv.DictReader(StringIO(file.content.decode())))
    assert "Worth of the donations" in page
    assert [(row["points"], row["paid"]) for row in rows] == [("100", "4.0000")]
    assert root.get(reverse("admin:rewards_payoutline_changelist")).status_code == 200


def test_staff_void_a_document_that_was_recorded_wrongly(root: Client) -> None:
    root.post(reverse("admin:rewards_payout_record"), filled())
    payout = Payout.objects.get()

    root.post(reverse("admin:rewards_payout_void", args=[payout.pk]))

    payout.refresh_from_db()
    assert payout.voided_at is not None
    assert payout.voided_by is not None


def test_who_may_only_look_records_and_voids_nothing(root: Client) -> None:
    root.post(reverse("admin:rewards_payout_record"), filled())
    payout = Payout.objects.get()
    desk = staffed.browser_of(staffed.staff("view_payout"))

    codes = [
        desk.get(reverse("admin:rewards_payout_record")).status_code,
        desk.post(reverse("admin:rewards_payout_record"), filled()).status_code,
        desk.post(reverse("admin:rewards_payout_void", args=[payout.pk])).status_code,
        desk.get(reverse("admin:rewards_payout_lines", args=[payout.pk])).status_code,
    ]

    assert codes == [403, 403, 403, 200]
    assert Payout.objects.filter(voided_at=None).count() == 1


def test_everybody_reads_what_was_given_together(root: Client) -> None:
    before = Client().get("/how-it-works").content.decode()
    root.post(reverse("admin:rewards_payout_record"), filled())
    after = Client().get("/how-it-works").content.decode()

    assert "€4.00 from 100 points" in before
    assert "We added €2.00 of it." in before
    assert 'value="50"' in before
    assert "Paid out so far: €0.00." in before
    assert "Paid out so far: €4.00." in after
    assert "tax" not in before.lower()
