"""What the copies and the books that members read say of transfers, and what they keep silent."""

from __future__ import annotations

import pytest
from django.db import connection

from members.models import LedgerTransaction, Member, Transfer
from members.queries.held import rows_held
from members.tests.test_transfers import ARRIVES, ana, bea, run_job, send

pytestmark = pytest.mark.django_db

__all__ = ["ana", "bea"]


def test_the_sender_has_every_transfer_in_the_copy_and_nobody_behind_it(
    ana: Member, bea: Member
) -> None:
    send(ana)
    send(ana, to="zoe@example.com", points=50)

    known, unknown = rows_held(ana)["members.transfer"]

    assert [row["points"] for row in (known, unknown)] == [100, 50]
    assert known["recipient_hint"] == "b\N{HORIZONTAL ELLIPSIS}@example.com"
    for row in (known, unknown):
        assert row.keys().isdisjoint({"recipient_id", "reason", "arrival_id", "changed_by"})


def test_the_recipient_has_what_has_arrived_in_the_copy(ana: Member, bea: Member) -> None:
    send(ana)
    assert "members.transfer" not in rows_held(bea)

    run_job(ARRIVES)

    (row,) = rows_held(bea)["members.transfer"]
    assert (row["points"], row["state"]) == (100, "completed")


def test_the_books_do_not_tell_the_sender_who_is_a_member(ana: Member, bea: Member) -> None:
    send(ana, points=60)
    send(ana, to="zoe@example.com", points=50)
    Member.objects.filter(pk=bea.pk).update(status=Member.Status.SUSPENDED)

    run_job(ARRIVES)

    assert set(Transfer.objects.values_list("reason", flat=True)) == {
        *("recipient_not_active", "recipient_unknown")
    }
    releases = LedgerTransaction.objects.filter(member=ana, type="release")
    assert [row.reason_code for row in releases] == ["refused", "refused"]
    with connection.cursor() as cursor:
        for row in releases:
            cursor.execute("SELECT body FROM ledger_leaves(%s, %s)", [row.pk, row.pk])
            assert '"reason_code":"refused"' in cursor.fetchone()[0]
