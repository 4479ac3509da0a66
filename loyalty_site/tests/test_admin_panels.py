"""The panels of trust: proofs with the rows behind them, liability, rehearsals."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from loyalty_site.tests import staffed
from members.models import LedgerReport, Member, PointLot, Rehearsal
from members.services import rehearsal

QUERIES_MAX = 12


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def root(member: Member) -> Client:
    """Return the browser of a superuser."""
    return staffed.browser_of(staffed.superuser())


def _broken_report(member: Member) -> LedgerReport:
    finding = {
        "name": "03_balances",
        "invariant": "A balance is the sum of its entries.",
        "differences": 25,
        "rows": [{"account": member.accounts.order_by("pk")[0].pk, "balance": 3, "entries": 5}],
    }
    return LedgerReport.objects.create(
        made_at=timezone.now(), seconds="1.5", entries=40, differences=25, findings=[finding]
    )


def test_a_report_leads_to_the_rows_behind_a_difference(root: Client, member: Member) -> None:
    report = _broken_report(member)

    page = root.get(reverse("admin:members_ledgerreport_change", args=[report.pk]))

    text = page.content.decode()
    account = report.findings[0]["rows"][0]["account"]
    assert "A balance is the sum of its entries." in text
    assert "25 rows break it; the first 1:" in text
    assert reverse("admin:members_ledgeraccount_change", args=[account]) in text


def test_the_dashboard_leads_to_the_newest_report(root: Client) -> None:
    report = LedgerReport.objects.get()

    assert report.differences == 0
    assert reverse("admin:members_ledgerreport_change", args=[report.pk]) in (
        root.get("/admin/").content.decode()
    )


def test_liability_shows_and_sends_what_is_owed(root: Client) -> None:
    owed = sum(PointLot.objects.values_list("remaining", flat=True))

    with CaptureQueriesContext(connection) as captured:
        page = root.get(reverse("liability"))
    file = root.get(reverse("liability") + "?format=csv")

    rows = list(csv.DictReader(StringIO(file.content.decode())))
    assert len(captured) <= QUERIES_MAX
    assert page.context["currencies"][0].liability.points >= owed > 0
    assert sum(int(row["available"]) + int(row["pending"]) for row in rows) == owed


def test_each_month_of_the_liability_leads_to_its_lots(root: Client) -> None:
    shown = root.get(reverse("liability")).context["currencies"][0]

    for row in shown.rows:
        lots = root.get(row.url).context["cl"].result_list
        assert sum(lot.remaining for lot in lots) == row.month.points


def test_staff_ask_for_a_rehearsal_and_read_it(root: Client) -> None:
    asked = root.post(reverse("admin:members_rehearsal_start"), {"days": "366"})
    row = Rehearsal.objects.get()
    rehearsal.run(row.pk)
    page = root.get(asked["Location"])
    file = root.get(reverse("admin:members_rehearsal_lines", args=[row.pk]))

    rows = list(csv.DictReader(StringIO(file.getvalue().decode())))
    assert row.requested_by is not None
    assert "What would happen" in page.content.decode()
    assert "release" in {line["what"] for line in rows}
    assert len(rows) == Rehearsal.objects.get().lines_kept


@pytest.mark.parametrize("days", ["0", "367", "-1", "x", "", "9999"])
def test_a_rehearsal_of_no_days_is_not_made(root: Client, days: str) -> None:
    page = root.post(reverse("admin:members_rehearsal_start"), {"days": days}, follow=True)

    assert "Ask for 1 to 366 days." in page.content.decode()
    assert not Rehearsal.objects.exists()


def test_the_panels_ask_for_their_permissions(member: Member) -> None:
    desk = staffed.browser_of(staffed.staff("view_member"))

    assert desk.get(reverse("liability")).status_code == 403
    assert desk.post(reverse("admin:members_rehearsal_start"), {"days": "5"}).status_code == 403
    assert not Rehearsal.objects.exists()
