"""The page that says who loses which points by a day, and that looking changes nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.tests.shop import apply, balances, basket, buy, join, line, program_file
from members.models import LedgerTransaction, PointCurrency, PointLot, User
from members.queries.clearing import clearing
from members.services.exports import as_csv

pytestmark = pytest.mark.django_db


@pytest.fixture
def losers() -> None:
    """Let two members hold points that end with the year, and one points of the next."""
    now = timezone.now()
    apply(program_file({"expiry": {"model": "fixed_after", "days": 20}}))
    for number, (card, price) in enumerate([("6011000001", "90.00"), ("6011000002", "700.00")]):
        join(card)
        at = now - timedelta(hours=number + 1)
        buy(basket(line(price=price), card=card, at=at), moment=now)
    apply(program_file({"expiry": {"model": "never"}}), now)
    join("6011000003")
    buy(basket(card="6011000003", at=now), moment=now)


@pytest.fixture
def staff() -> Client:
    """Return a client of a superuser."""
    user = User.objects.create_superuser(email="boss@example.com", password="x" * 20)
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.usefixtures("losers")
def test_losses_are_counted_with_the_liability_that_they_release() -> None:
    points = PointCurrency.objects.get(code="points")
    today = timezone.now().date()

    found = clearing(currency=points, day=today + timedelta(days=30))

    assert [(each.points, str(each.value.normalize())) for each in found.losses] == [
        (700, "7"),
        (90, "0.9"),
    ]
    assert (found.points, str(found.value.normalize())) == (790, "7.9")
    assert [(band.members, band.points) for band in found.bands] == [
        *((1, 90), (0, 0), (1, 700), (0, 0), (0, 0), (0, 0)),
    ]
    assert clearing(currency=points, day=today + timedelta(days=10)).losses == []


@pytest.mark.usefixtures("losers")
def test_staff_see_the_losses_and_take_them_along_and_nothing_moves(staff: Client) -> None:
    before = LedgerTransaction.objects.count()
    day = (timezone.now() + timedelta(days=30)).date().isoformat()

    page = staff.get("/admin/clearing/", {"day": day})
    file = staff.get("/admin/clearing/", {"day": day, "format": "csv"})

    assert page.status_code == 200
    assert ">790<" in page.content.decode()
    lines = file.content.decode().splitlines()
    assert lines[0] == "member,points,currency,value,money,first_end"
    assert len(lines) == 3
    assert LedgerTransaction.objects.count() == before


def test_a_day_that_is_none_is_refused_and_strangers_see_nothing(staff: Client) -> None:
    apply()

    assert staff.get("/admin/clearing/", {"day": "soon"}).status_code == 200
    assert Client().get("/admin/clearing/").status_code in {302, 403}


def test_staff_let_waiting_points_go(staff: Client) -> None:
    apply(program_file({"pending": {"until": "approval"}}))
    member = join()
    now = timezone.now()
    buy(basket(at=now), moment=now)
    lot = PointLot.objects.get(remaining__gt=0)

    page = staff.get("/admin/waiting/")
    answer = staff.post("/admin/waiting/", {"lot": [lot.pk]}, follow=True)
    again = staff.post("/admin/waiting/", {"lot": [lot.pk]}, follow=True)

    assert f'value="{lot.pk}"' in page.content.decode()
    assert "10 points are available now." in answer.content.decode()
    assert "These points do not wait" in again.content.decode()
    assert balances(member) == {"available": 10}


def test_a_cell_of_the_file_is_never_a_formula() -> None:
    assert as_csv([{"member": "=1+1"}]).splitlines()[1] == "'=1+1"
