"""Staff post a partner's file, note its answers, record its payments and close its months."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.tests.shop import NOON, apply, balances, join, program_file
from loyalty_site.tests import staffed
from members.models import Member, Partner, PartnerBalance, PartnerMovement, PartnerStatement
from members.services import jobs, partner_statements

LONG_AGO = "2020-01-01T00:00"
RATE = {"starts_at": LONG_AGO, "rate_in": "0.5", "rate_out": "2", "price_in": "0.01"}


@pytest.fixture
def member(db: None) -> Member:
    """Return a member of a club with an airline and a prepaid hotel."""
    partners = [
        {"code": "air", "name": "Air", "unit": "miles", "funding": "postpaid", "rates": [RATE]},
        {"code": "inn", "name": "Inn", "funding": "prepaid", "rates": [RATE]},
    ]
    apply(program_file(partners=partners), moment=NOON - timedelta(days=400))
    return join()


@pytest.fixture
def root(member: Member) -> Client:
    """Return the browser of a superuser."""
    return staffed.browser_of(staffed.superuser())


def post_file(browser: Client, *rows: str, partner: str = "air") -> Any:
    """Post a partner's file of these rows."""
    text = "\n".join(["reference,member,kind,amount", *rows])
    form = {
        "partner": Partner.objects.get(code=partner).pk,
        "file": SimpleUploadedFile("file.csv", text.encode()),
    }
    return browser.post(reverse("partner_file"), form)


def told(answer: Any) -> list[str]:
    """Return what the page says of each row."""
    return [each.told for each in answer.context["outcomes"]]


def test_a_file_is_posted_row_by_row_and_again_without_effect(root: Client, member: Member) -> None:
    rows = [
        f"F1,{member.number},credit,300",
        f"F2,{member.number},exchange_in,101",
        f"F3,{member.number},exchange_out,5000",
        f"F4,{member.number},exchange_out,50",
        "F5,000,credit,5",
        f"F6,{member.number},gift,5",
        f"F7,{member.number},credit,1.5",
    ]

    first, again = told(post_file(root, *rows)), told(post_file(root, *rows))

    assert (first[:2], first[3:]) == (again[:2], again[3:])
    assert first[:2] == ["300 Confirmed", "50 Confirmed"]
    assert first[2].startswith("5000 points asked")
    assert first[3] == "50 Requested"
    assert first[4:] == [
        "No member has this number.",
        "Reference, kind or amount cannot be read.",
        "Points are whole.",
    ]
    assert PartnerMovement.objects.count() == 3
    assert balances(member)["available"] == 300


@pytest.mark.parametrize("text", [b"a,b\n1,2", b"\xff\xfe", b""])
def test_what_is_no_partners_file_is_refused_as_a_whole(root: Client, text: bytes) -> None:
    form = {
        "partner": Partner.objects.get(code="air").pk,
        "file": SimpleUploadedFile("file.csv", text),
    }

    answer = root.post(reverse("partner_file"), form)

    assert answer.context["form"].errors
    assert not PartnerMovement.objects.exists()


def test_staff_note_that_an_exchange_failed(root: Client, member: Member) -> None:
    post_file(root, f"F1,{member.number},credit,300", f"F2,{member.number},exchange_out,50")
    row = PartnerMovement.objects.get(kind="exchange_out")
    page = root.get(reverse("admin:members_partnermovement_change", args=[row.pk]))

    root.post(reverse("admin:members_partnermovement_act", args=[row.pk]), {"act": "fail"})

    row.refresh_from_db()
    assert "It failed: send the points back" in page.content.decode()
    assert (row.state, balances(member)["available"]) == ("failed", 300)


def test_a_payment_lets_a_prepaid_partner_give_as_much(root: Client, member: Member) -> None:
    inn = Partner.objects.get(code="inn")
    before = told(post_file(root, f"N1,{member.number},credit,10", partner="inn"))
    form = {"partner": inn.pk, "points": "10", "amount": "0.10", "reference": "R-1"}

    root.post(reverse("admin:members_partnerfunding_record"), form)
    after = told(post_file(root, f"N1,{member.number},credit,10", partner="inn"))

    assert before == ["The partner's prepaid points are used up"]
    assert after == ["10 Confirmed"]
    assert PartnerBalance.objects.get(partner=inn).left == 0


def test_a_month_is_proposed_read_as_a_file_and_closed(root: Client, member: Member) -> None:
    post_file(root, f"=F1,{member.number},credit,300")
    later = timezone.now() + timedelta(days=40)
    jobs.run(partner_statements.PROPOSE_STATEMENTS, moment=later)
    statement = PartnerStatement.objects.get()
    close = reverse("admin:members_partnerstatement_close", args=[statement.pk])
    page = root.get(reverse("admin:members_partnerstatement_change", args=[statement.pk]))
    file = root.get(reverse("admin:members_partnerstatement_entries", args=[statement.pk]))
    root.post(close)
    statement.refresh_from_db()
    early = statement.closed_at

    with time_machine.travel(later, tick=False):
        browser = staffed.browser_of(statement_closer())
        browser.post(close)

    statement.refresh_from_db()
    rows = list(csv.DictReader(StringIO(file.content.decode())))
    assert "3.00 EUR" in page.content.decode()
    assert [(row["reference"], row["amount"]) for row in rows] == [("'=F1", "3.000000")]
    assert early is None
    assert statement.closed_at == later


def statement_closer() -> Any:
    """Return somebody who may close months."""
    return staffed.staff("view_partnerstatement", "change_partnerstatement")


def test_who_may_only_look_posts_and_closes_nothing(root: Client, member: Member) -> None:
    post_file(root, f"F1,{member.number},credit,300")
    row = PartnerMovement.objects.get()
    desk = staffed.browser_of(staffed.staff("view_partnermovement", "view_partnerstatement"))

    codes = [
        desk.get(reverse("partner_file")).status_code,
        post_file(desk, f"F2,{member.number},credit,1").status_code,
        desk.post(reverse("admin:members_partnermovement_act", args=[row.pk])).status_code,
        desk.get(reverse("admin:members_partnerfunding_record")).status_code,
        desk.post(reverse("admin:members_partnerstatement_close", args=[1])).status_code,
    ]

    assert codes == [403] * 5
    assert PartnerMovement.objects.count() == 1
