"""Bought points in the admin, on the member's pages and on the command line."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty_site.tests import staffed
from loyalty_site.tests.test_admin_adjusting import available, clerk, decide
from members.models import Approval, Member, PointCurrency, PointsOrder, User
from members.services import reconciliation

SEES = ("view_member", "view_approval", "view_pointsorder", "add_approval", "change_approval")


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def ann(member: Member) -> Client:
    """Return the browser of one of the staff."""
    return staffed.browser_of(clerk("ann", *SEES))


def page_of(member: Member) -> str:
    return reverse("admin:members_member_order", args=[member.pk])


def form(points: int = 800, **told: Any) -> dict[str, Any]:
    return {
        "currency": PointCurrency.objects.get(code="points").pk,
        "points": points,
        "price": "10.00",
        "money": "eur",
        "provider": "stripe",
        "reference": "ch_1",
        "paid_date": timezone.now().date().isoformat(),
        "why": "At the desk",
        **told,
    }


def refund_of(order: PointsOrder) -> str:
    return reverse("admin:members_pointsorder_refund", args=[order.pk])


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("points_order", *arguments, stdout=out)
    return out.getvalue()


def test_a_paid_order_gives_points_and_the_member_reads_what_they_paid(
    ann: Client, member: Member
) -> None:
    before = available(member)

    answer = ann.post(page_of(member), form())
    again = ann.post(page_of(member), form())
    order = PointsOrder.objects.select_related("transaction").get()
    member.user = User.objects.create_user("ada@example.com", "a long enough password")
    member.save()
    mine = staffed.browser_of(member.user)
    activity = mine.get(reverse("activity")).content.decode()
    assert order.transaction is not None
    why = mine.get(reverse("activity_why", args=[order.transaction.public_id])).content.decode()

    assert (answer["Location"], again["Location"]) == (answer["Location"],) * 2
    assert available(member) == before + 800
    assert "Points bought" in activity
    assert "€10.00" in activity
    assert "by stripe; the payment is ch_1." in why
    assert "do not count for your tier" in why
    assert "can be given back through" in why
    assert "At the desk" not in why


def test_a_refund_shows_its_quote_takes_back_what_is_left_and_tells_both_sides(
    ann: Client, member: Member
) -> None:
    before = available(member)
    ann.post(page_of(member), form())
    order = PointsOrder.objects.get()
    url = reverse("admin:members_pointsorder_change", args=[order.pk])

    quoted = ann.get(url).content.decode()
    unsaid = ann.post(refund_of(order), {"points": "800", "why": " "}, follow=True)
    stale = ann.post(refund_of(order), {"points": "799", "why": "Asked"}, follow=True)
    assert PointsOrder.objects.get().state == "paid"
    done = ann.post(refund_of(order), {"points": "800", "why": "Asked"}, follow=True)
    order = PointsOrder.objects.select_related("refund").get()
    member.user = User.objects.create_user("ada@example.com", "a long enough password")
    member.save()
    mine = staffed.browser_of(member.user)
    assert order.refund is not None
    why = mine.get(reverse("activity_why", args=[order.refund.public_id])).content.decode()

    assert "takes back 800 of the 800 points and returns 10.00 EUR" in quoted
    assert "Say why" in unsaid.content.decode()
    assert "800 points are left, not 799" in stale.content.decode()
    assert "Return 10.0000 EUR" not in done.content.decode()
    assert "Return 10.00 EUR of the payment." in done.content.decode()
    assert available(member) == before
    assert "Bought points given back" in mine.get(reverse("activity")).content.decode()
    assert "€10.00 of the payment is returned" in why
    assert reconciliation.verify().is_proved


def test_a_large_order_waits_and_is_approved_like_every_act(ann: Client, member: Member) -> None:
    before = available(member)
    ben = staffed.browser_of(clerk("ben", *SEES))
    ann.post(page_of(member), form(5000))
    approval = Approval.objects.get()

    waiting = ben.get(reverse("admin:members_pointsorder_changelist")).content.decode()
    ann.post(decide(approval), {"step": "approve"})
    assert available(member) == before
    ben.post(decide(approval), {"step": "approve"})
    page = ben.get(reverse("admin:members_approval_change", args=[approval.pk])).content.decode()

    assert "ch_1" in waiting
    assert reverse("admin:members_pointsorder_change", args=[approval.pk]) in page
    assert available(member) == before + 5000


def test_who_may_only_look_neither_sells_nor_refunds(ann: Client, member: Member) -> None:
    ann.post(page_of(member), form())
    order = PointsOrder.objects.get()
    desk = staffed.browser_of(clerk("dan", "view_member", "view_pointsorder"))

    answers = [
        desk.get(page_of(member)),
        desk.post(page_of(member), form(reference="ch_2")),
        desk.post(refund_of(order), {"points": "800", "why": "Mine"}),
        desk.post(reverse("admin:members_pointsorder_change", args=[order.pk]), {"points": "1"}),
    ]
    page = desk.get(reverse("admin:members_pointsorder_change", args=[order.pk]))

    assert [answer.status_code for answer in answers] == [403] * 4
    assert 'name="why"' not in page.content.decode()
    assert PointsOrder.objects.get().state == "paid"


@pytest.mark.parametrize(
    ("_case", "told", "sentence"),
    [
        ("a tenth of a cent", {"price": "1.001"}, "A price in EUR is above 0, with 2 decimals."),
        ("tomorrow", {"paid_date": "2999-01-01"}, "A payment is not in the future."),
        ("no such money", {"money": "eee"}, "ISO 4217"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_sold_is_said_on_the_form(
    _case: str, told: dict[str, Any], sentence: str, ann: Client, member: Member
) -> None:
    answer = ann.post(page_of(member), form(**told))

    assert sentence in answer.content.decode()
    assert not PointsOrder.objects.exists()


def test_the_liability_shows_bought_points_apart(ann: Client, member: Member) -> None:
    ann.post(page_of(member), form(700))
    desk = staffed.browser_of(clerk("eve", "view_ledgeraccount"))
    url = reverse("liability")

    page = desk.get(url).content.decode()
    lines = desk.get(url + "?format=csv").content.decode().splitlines()
    place = lines[0].split(",").index("purchased")

    assert "Of these, bought with money" in page
    assert sum(int(line.split(",")[place]) for line in lines[1:]) == 700


def test_the_pages_of_orders_take_few_queries(ann: Client, member: Member) -> None:
    ann.post(page_of(member), form())
    order = PointsOrder.objects.get()

    counts = []
    for page in (
        page_of(member),
        reverse("admin:members_pointsorder_changelist"),
        reverse("admin:members_pointsorder_change", args=[order.pk]),
    ):
        with CaptureQueriesContext(connection) as captured:
            assert ann.get(page).status_code == 200
        counts.append(len(captured))

    assert max(counts) <= 12


def test_the_command_records_quotes_and_refunds_once(member: Member) -> None:
    clerk("ann")
    before = available(member)
    payment = ["--provider", "till", "--reference", "r-9"]
    told = [*payment, "--by", "ann@example.com", "--member", member.number]

    bought = [run("buy", *told, "--points", "900", "--price", "9.00") for _ in range(2)]
    assert available(member) == before + 900
    quoted = run("quote", *payment)
    refunded = [
        run("refund", *payment, "--by", "ann@example.com", "--why", "Asked") for _ in range(2)
    ]

    assert bought[0] == bought[1]
    assert bought[0].startswith("900 points came for 9.00 EUR; they can be given back before ")
    assert quoted == "900 points, 9.00 EUR\n"
    assert refunded == ["900 points were taken back; return 9.00 EUR\n"] * 2
    assert available(member) == before


def test_the_command_needs_a_second_person_for_a_large_order(member: Member) -> None:
    clerk("ann")
    clerk("ben")
    before = available(member)
    told = ["--provider", "till", "--reference", "r-9", "--by", "ann@example.com"]
    told += ["--member", member.number, "--points", "5000", "--price", "50"]

    assert "waits for approval" in run("buy", *told)
    with pytest.raises(CommandError, match="Somebody else"):
        run("buy", *told, "--approved-by", "ann@example.com")
    assert available(member) == before
    run("buy", *told, "--approved-by", "ben@example.com")

    assert available(member) == before + 5000


@pytest.mark.parametrize(
    ("_case", "changed", "said"),
    [
        ("no number", {"--price": "ten"}, "--price is a number"),
        ("a moment without offset", {"--paid-at": "2026-03-02T12:00"}, "needs its offset"),
        ("nobody", {"--member": "nobody@example.com"}, "The member is unknown"),
        ("not of the staff", {"--by": "eve@example.com"}, "somebody of the staff"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_command_ends_with_an_error(
    _case: str, changed: dict[str, str], said: str, member: Member
) -> None:
    clerk("ann")
    told = {
        "--provider": "till",
        "--reference": "r-9",
        "--by": "ann@example.com",
        "--member": member.number,
        "--points": "10",
        "--price": "1.00",
        **changed,
    }

    with pytest.raises(CommandError, match=said):
        run("buy", *(part for pair in told.items() for part in pair))

    assert not PointsOrder.objects.exists()
