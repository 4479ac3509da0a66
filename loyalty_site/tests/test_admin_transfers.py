"""What staff do about points on their way from one member to another."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from loyalty_site.tests import staffed
from members.models import Transfer
from members.services import transfers
from members.tests.people import earn, make_member, make_program
from members.tests.test_transfers import THEN, allow, verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def row() -> Transfer:
    """Return a transfer on its way."""
    make_program()
    allow()
    sender, recipient = make_member("6011000001"), make_member("6011000002")
    verify(sender)
    verify(recipient)
    earn(sender, 100)
    return transfers.request(sender=sender, to="6011000002", points=50, actor="test", moment=THEN)


def test_staff_stop_let_go_on_and_send_back_for_a_reason(row: Transfer) -> None:
    root = staffed.browser_of(staffed.superuser())
    url = reverse("admin:members_transfer_act", args=[row.pk])
    page = root.get(reverse("admin:members_transfer_change", args=[row.pk]))
    assert "Stop it for now" in page.content.decode()

    states = []
    for act, reason in [
        ("pause", ""),
        ("pause", "Reported"),
        ("resume", "Was them"),
        ("cancel", "Was not"),
        ("cancel", "Again"),
    ]:
        root.post(url, {"act": act, "reason": reason})
        row.refresh_from_db()
        states.append((row.state, row.paused_at is not None, row.reason))

    assert states == [
        ("requested", False, ""),
        ("requested", True, ""),
        ("requested", False, ""),
        ("cancelled", False, "by_staff"),
        ("cancelled", False, "by_staff"),
    ]
    told = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert list(told) == ["pause: Reported", "resume: Was them", "cancel: Was not"]
    assert row.changed_by.startswith("staff:")


def test_who_may_only_look_at_transfers_stops_none(row: Transfer) -> None:
    desk = staffed.browser_of(staffed.staff("view_transfer"))
    url = reverse("admin:members_transfer_act", args=[row.pk])

    page = desk.get(reverse("admin:members_transfer_change", args=[row.pk]))
    answer = desk.post(url, {"act": "cancel", "reason": "x"})

    row.refresh_from_db()
    assert (page.status_code, answer.status_code, row.state) == (200, 403, "requested")
    assert "Stop it for now" not in page.content.decode()
