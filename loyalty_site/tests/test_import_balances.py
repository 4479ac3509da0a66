"""Opening balances by the command and by the admin."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loyalty_site.tests import staffed
from loyalty_site.tests.test_admin_adjusting import available, clerk
from members.models import Approval, Member, PointBatch, PointCurrency
from members.services import batch_posting, jobs, reconciliation


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def file(tmp_path: Path, member: Member) -> Path:
    """Return a file with 400 points for the member."""
    path = tmp_path / "balances.csv"
    path.write_text(f"member,points,last_day\n{member.number},400,2099-12-31\n")
    return path


def run(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command("import_balances", *arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def test_the_command_checks_brings_in_once_and_takes_back(member: Member, file: Path) -> None:
    clerk("ann")
    before = available(member)

    checked = run(str(file))
    assert (PointBatch.objects.count(), available(member)) == (0, before)
    brought = run(str(file), yes=True, by="ann@example.com")
    assert available(member) == before + 400
    with pytest.raises(CommandError, match="taken before"):
        run(str(file), yes=True, by="ann@example.com")
    batch = PointBatch.objects.get(state="posted")
    run(reverse=str(batch.public_id), by="ann@example.com")

    assert "1 rows, 1 sound with 400 points, 0 refused" in checked
    assert f"batch {batch.public_id} is posted: 1 rows posted" in brought
    assert available(member) == before
    assert reconciliation.verify().is_proved


def test_a_large_file_needs_two_people_on_the_command_line_too(member: Member, file: Path) -> None:
    clerk("ann")
    clerk("ben")
    file.write_text(f"member,points\n{member.number},40000\n")
    before = available(member)

    with pytest.raises(CommandError, match="Somebody else"):
        run(str(file), yes=True, by="ann@example.com", approved_by="ann@example.com")
    batch = PointBatch.objects.get(state="requested")
    desk = staffed.browser_of(clerk("cid"))
    url = reverse("admin:members_approval_decide", args=[batch.approval_id])
    desk.post(url, {"step": "approve"})
    jobs.run(batch_posting.POST_BATCHES, moment=batch.created_at)

    assert available(member) == before + 40_000


@pytest.mark.parametrize(
    ("_case", "text", "said"),
    [
        ("no columns", "who,what\n", "The first line names the columns"),
        ("a wrong row", "member,points\nnobody,5\n", "cannot be brought in"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_file_ends_with_an_error(
    _case: str, text: str, said: str, member: Member, file: Path
) -> None:
    file.write_text(text)

    with pytest.raises(CommandError, match=said):
        run(str(file))

    assert not PointBatch.objects.exists()


def test_the_admin_takes_a_file_shows_what_is_wrong_and_posts_the_rest(member: Member) -> None:
    ann = staffed.browser_of(clerk("ann", "view_pointbatch", "add_approval", "change_approval"))
    before = available(member)
    text = f"member,points\n{member.number},300\n=cmd(),5\n".encode()
    told = {
        "kind": "import",
        "currency": PointCurrency.objects.get(code="points").pk,
        "file": SimpleUploadedFile("old.csv", text),
    }

    answer = ann.post(reverse("admin:members_pointbatch_new"), told)
    batch = PointBatch.objects.get()
    page = ann.get(answer["Location"]).content.decode()
    step = reverse("admin:members_pointbatch_step", args=[batch.pk])
    ann.post(step, {"step": "request"})
    assert Approval.objects.count() == 0
    ann.post(step, {"step": "request", "leave_out": "on"})
    jobs.run(batch_posting.POST_BATCHES, moment=batch.created_at)
    rows = ann.get(reverse("admin:members_pointbatch_csv", args=[batch.pk])).content.decode()
    after = available(member)
    ann.post(step, {"step": "reverse"})
    jobs.run(batch_posting.POST_BATCHES, moment=batch.created_at)

    assert "member: somebody who is enrolled is expected" in page
    assert "cmd" not in page + rows
    assert rows.splitlines()[1] == f"2,{member.number},300,posted,,"
    assert (after, available(member)) == (before + 300, before)


def test_who_may_not_ask_takes_no_file_and_pages_take_few_queries(member: Member) -> None:
    desk = staffed.browser_of(clerk("dan", "view_pointbatch"))
    ann = staffed.browser_of(clerk("ann", "view_pointbatch", "add_approval"))

    with CaptureQueriesContext(connection) as captured:
        assert ann.get(reverse("admin:members_pointbatch_new")).status_code == 200

    assert desk.get(reverse("admin:members_pointbatch_new")).status_code == 403
    assert len(captured) <= 12
