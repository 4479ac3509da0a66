"""Points by a code, as a page, as an operation, and in the admin."""

from __future__ import annotations

import csv
import io

import pytest
from django.test import Client

from campaigns.admin import codes as admin_codes
from campaigns.models import CodeBatch, EarningCode
from campaigns.services import codes
from campaigns.services.codes import BatchSpec
from loyalty_site.tests import club, staffed
from loyalty_site.tests.club import NOW
from members.models import Member, User
from members.tests import callers

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Member:
    club.open_club()
    return club.join(password=club.PASSWORD)


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def make(count: int = 1) -> list[str]:
    user, _ = User.objects.get_or_create(email="staff@example.com")
    spec = BatchSpec(code="receipts", name="Receipts", count=count)
    return codes.make(spec=spec, user=user, moment=NOW)[1]


def test_a_link_fills_the_form_and_moves_nothing(browser: Client) -> None:
    (code,) = make()

    page = browser.get("/earn", {"code": code})

    assert f'value="{code}"' in page.content.decode()
    assert not EarningCode.objects.filter(redeemed_at__isnull=False).exists()


def test_a_code_is_redeemed_once_and_a_second_press_says_so(browser: Client) -> None:
    (code,) = make()

    first = browser.post("/earn", {"code": code}, follow=True).content.decode()
    second = browser.post("/earn", {"code": code}, follow=True).content.decode()

    assert "gives no points at the moment" in first
    assert "You redeemed this code before" in second


def test_a_wrong_code_says_so_and_keeps_what_was_typed(browser: Client) -> None:
    page = browser.post("/earn", {"code": "3F4A7-KQ9TX-RM6CD"})

    assert page.status_code == 404
    assert "This code is unknown" in page.content.decode()
    assert 'value="3F4A7-KQ9TX-RM6CD"' in page.content.decode()


def test_five_wrong_codes_are_told_to_wait(browser: Client) -> None:
    for _ in range(5):
        page = browser.post("/earn", {"code": "3F4A7-KQ9TX-RM6CD"})
    assert "in 15 minutes" in page.content.decode()

    page = browser.post("/earn", {"code": "3F4A7-KQ9TX-RM6CD"})

    assert page.status_code == 429
    assert "Too many wrong codes. Try again in 15 min." in page.content.decode()


def test_an_app_redeems_with_the_code_as_its_key(member: Member, browser: Client) -> None:
    (code,) = make()
    assert member.user is not None
    app = callers.app(member.user)

    first, again = (app.send("POST", "/me/codes", {"code": code}) for _ in range(2))
    unknown = app.send("POST", "/me/codes", {"code": "3F4A7-KQ9TX-RM6CD"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert again["Idempotent-Replayed"] == "true"
    assert unknown.status_code == 404
    assert (unknown.json()["code"], unknown.json()["tries_left"]) == ("code_not_found", 4)


def test_staff_make_codes_and_read_them_once(member: Member) -> None:
    staff = staffed.browser_of(staffed.superuser())
    form = staff.get("/admin/campaigns/codebatch/new/")
    told = {"code": "lids", "name": "Lids", "count": "3"}

    made = staff.post("/admin/campaigns/codebatch/new/", told)
    taken = staff.post("/admin/campaigns/codebatch/new/", told)

    assert "No live rule answers" not in form.content.decode()
    rows = list(csv.DictReader(io.StringIO(made.content.decode())))
    assert len({row["code"] for row in rows}) == 3
    assert all(row["link"].endswith(f"/earn?code={row['code']}") for row in rows)
    assert "Another batch has this code" in taken.content.decode()
    assert staff.get("/admin/campaigns/codebatch/").status_code == 200


def test_staff_are_warned_where_no_rule_answers_to_codes(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_codes, "TRIGGER", "event:nobody")
    staff = staffed.browser_of(staffed.superuser())

    form = staff.get("/admin/campaigns/codebatch/new/")

    assert "No live rule answers" in form.content.decode()


def test_staff_withdraw_codes(member: Member) -> None:
    make()
    batch = CodeBatch.objects.get()
    staff = staffed.browser_of(staffed.superuser())
    page = staff.get(f"/admin/campaigns/codebatch/{batch.pk}/change/").content.decode()

    staff.post(f"/admin/campaigns/codebatch/{batch.pk}/withdraw/")

    assert "Withdraw the codes" in page
    batch.refresh_from_db()
    assert batch.withdrawn_at is not None


def test_nobody_without_the_permission_makes_or_withdraws_codes(member: Member) -> None:
    make()
    batch = CodeBatch.objects.get()
    reader = staffed.browser_of(staffed.staff("campaigns.view_codebatch"))

    answers = [
        reader.post("/admin/campaigns/codebatch/new/", {"code": "x", "name": "x", "count": "1"}),
        reader.post(f"/admin/campaigns/codebatch/{batch.pk}/withdraw/"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert CodeBatch.objects.count() == 1
