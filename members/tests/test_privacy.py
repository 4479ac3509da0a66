"""A member's copy of what is held, and their erasure."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.http import HttpResponse

from loyalty_site.lib.problems import Invalid
from members.models import (
    ConsentRecord,
    DataExport,
    IdempotencyRecord,
    LedgerAccount,
    LedgerNote,
    Member,
    MemberScore,
    Message,
    OutboxEvent,
    Purchase,
    ScoreMove,
    Segment,
    SegmentMembership,
    SegmentMove,
    User,
)
from members.queries.balances import balance_now
from members.queries.held import rows_held
from members.queries.lookup import find_member
from members.queries.people import member_view
from members.services import attributes, exports, privacy, tags
from members.services.consents import Answer
from members.services.enrolment import enrol
from members.services.profile import MemberErased, change
from members.services.reconciliation import verify
from members.tests.callers import Caller, app, login_of
from members.tests.people import DAY, NOON, debit, earn, make_member, make_program, owe

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]

CANARY = "canary7f3a"


def make_known_member() -> Member:
    """Return a member whose every personal field holds the canary."""
    program = make_program()
    member = enrol(
        identifiers=[
            ("email", f"{CANARY}@example.com"),
            ("card", f"card-{CANARY}"),
            ("external_id", f"crm-{CANARY}"),
        ],
        first_name=CANARY,
        last_name=f"={CANARY}",
        source_channel=CANARY,
        referral_code=CANARY,
        consents=[Answer("marketing", "email", granted=True)],
        moment=NOON,
        actor="test",
    ).member
    login_of(member, f"{CANARY}@example.com")
    transaction = earn(member, 300, expires_at=NOON + 90 * DAY)
    earn(member, 50, available_at=NOON + 30 * DAY)
    earn(member, 9, code="status")
    debit(member, 40, kind="hold", hold_expires_at=NOON + 10 * DAY)
    debit(member, 60)
    LedgerNote.objects.create(transaction_id=transaction, text=CANARY)
    Message.objects.create(member=member, kind="hello", title=CANARY, dedupe_key="1", sent_at=NOON)
    OutboxEvent.objects.create(
        program=program, member=member, kind="x", payload={"name": CANARY}, created_at=NOON
    )
    asked = {"code": "diet", "name": {}, "kind": "text", "choices": [], "member_editable": True}
    attributes.apply_definitions(program=program, rows=[{**asked, "pii": False}])
    attributes.change(member=member, values={"diet": CANARY}, actor=CANARY, moment=NOON)
    tags.tag(member_id=member.pk, tag=CANARY, actor=CANARY, moment=NOON)
    MemberScore.objects.create(member=member, code="stage", text=CANARY, computed_at=NOON)
    ScoreMove.objects.create(
        member=member, code="stage", text_before=CANARY, text_after="top", moved_at=NOON
    )
    segment = Segment.objects.create(program=program, code="regulars")
    SegmentMembership.objects.create(segment=segment, member=member, entered_at=NOON)
    SegmentMove.objects.create(
        segment=segment, member=member, entered=True, moved_at=NOON, actor=CANARY
    )
    IdempotencyRecord.objects.create(
        caller="client:1",
        key="k" * 16,
        fingerprint=b"",
        status=201,
        body={"name": CANARY},
        member=member,
        created_at=NOON,
    )
    return member


def tables_with(text: str) -> list[str]:
    """Return the tables in any row of which the text stands."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        for (table,) in cursor.fetchall():
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{text}%"]
            )
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def erase(member: Member, confirm: str | None = None) -> dict[str, int]:
    """Erase the member a day later."""
    return privacy.erase(
        member=member, confirm=confirm or member.number, actor="test", moment=NOON + DAY
    )


def test_erasure_leaves_no_trace_of_the_person_and_the_points_are_forfeited() -> None:
    member = make_known_member()
    assert "members_identifier" in tables_with(CANARY)

    forfeited = erase(member)

    assert forfeited == {"points": 290}
    assert tables_with(CANARY) == []
    assert not member.segment_moves.exists()
    assert not member.segment_memberships.exists()
    assert User.objects.count() == EmailAddress.objects.count() == 0
    held = balance_now(member=member.public_id, moment=NOON + DAY)
    assert held is not None
    assert (held.available, held.pending, held.held, held.debt) == (0, 0, 0, 0)
    assert held.lifetime_earned == 350
    member.refresh_from_db()
    assert (member.status, member.erased_at, member.user) == ("erased", NOON + DAY, None)
    consents = ConsentRecord.objects.filter(member=member).order_by("pk")
    assert list(consents.values_list("granted", flat=True)) == [True, False]
    stored = IdempotencyRecord.objects.get()
    assert (stored.status, stored.body) == (201, {})


def test_the_books_still_balance_after_an_erasure() -> None:
    member = make_known_member()

    erase(member)

    assert [found for found in verify().findings if found.differences] == []


def test_debt_is_written_off() -> None:
    make_program()
    member = make_member()
    owe(member, 70)

    assert erase(member) == {"points": 0}
    assert LedgerAccount.objects.get(member=member, kind="debt").balance == 0


def test_points_of_a_clock_that_is_ahead_can_be_forfeited() -> None:
    make_program()
    member = make_member()
    earn(member, 10, at=NOON + DAY + timedelta(minutes=4))

    assert erase(member) == {"points": 10}


def test_the_member_number_must_be_typed_and_nothing_moves_without_it() -> None:
    member = make_known_member()

    with pytest.raises(Invalid) as refusal:
        erase(member, confirm="123456789012")

    assert [error.pointer for error in refusal.value.errors] == ["/confirm"]
    member.refresh_from_db()
    assert (member.status, member.first_name) == ("active", CANARY)
    assert Message.objects.count() == 1


def test_nobody_is_erased_twice_found_again_or_changed_afterwards() -> None:
    member = make_known_member()
    erase(member)

    member.refresh_from_db()
    with pytest.raises(MemberErased):
        erase(member)
    with pytest.raises(MemberErased):
        change(member=member, fields={"first_name": "Ana"}, moment=NOON)
    assert find_member(member.program, member.number, NOON) is None
    view = member_view(member.pk, NOON + DAY)
    assert (view.status, view.first_name, view.identifiers) == ("erased", "", ())
    again = enrol(identifiers=[("card", f"card-{CANARY}")], moment=NOON, actor="test")
    assert again.created


def test_a_login_of_staff_outlives_their_membership() -> None:
    member = make_known_member()
    User.objects.update(is_staff=True)

    erase(member)

    assert User.objects.count() == 1


def test_the_copy_holds_every_row_and_no_secret() -> None:
    member = make_known_member()
    other = make_member("other")
    Purchase.objects.create(
        program=member.program,
        source="pos",
        external_id="R-1",
        content_key=b"",
        member=member,
        occurred_at=NOON,
        recorded_at=NOON,
        currency="EUR",
        net=Decimal("1.00"),
    )

    held = rows_held(member)

    assert {
        *("members.member", "members.user", "members.identifier", "members.consentrecord"),
        *("members.ledgeraccount", "members.ledgertransaction", "members.ledgerentry"),
        *("members.pointlot", "members.lotuse", "members.ledgerhold", "members.ledgernote"),
        *("members.message", "members.outboxevent", "members.idempotencyrecord"),
        *("members.purchase", "members.tiermembership", "account.emailaddress"),
    } <= set(held)
    assert "card_secret" not in held["members.member"][0]
    assert "password" not in held["members.user"][0]
    numbers = {row["number"] for row in held["members.member"]}
    assert numbers == {member.number}
    assert all(row["member_id"] == member.pk for row in held["members.ledgeraccount"])
    assert set(rows_held(other)) < set(held)


def test_the_file_has_json_and_csv_without_formulas() -> None:
    member = make_known_member()

    export = exports.request_export(member=member, moment=NOON)

    with zipfile.ZipFile(io.BytesIO(bytes(export.content or b""))) as archive:
        told = json.loads(archive.read("json/members.member.json"))
        rows = list(csv.DictReader(io.StringIO(archive.read("csv/members.member.csv").decode())))
    assert told[0]["last_name"] == f"={CANARY}"
    assert rows[0]["last_name"] == f"'={CANARY}"
    assert rows[0]["enrolled_at"] == "2026-03-02T12:00:00Z"
    assert (export.state, export.expires_at) == ("ready", NOON + 7 * DAY)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_cells_that_spreadsheets_would_run_are_quoted(start: str) -> None:
    assert exports.as_csv([{"a": f"{start}1", "b": -5, "c": None}]).endswith(
        (
            "'=1,-5,\r\n",
            "'+1,-5,\r\n",
            "'-1,-5,\r\n",
            "'@1,-5,\r\n",
            "'\t1,-5,\r\n",
            '"\'\r1",-5,\r\n',
        )
    )


def test_copies_end_after_a_week() -> None:
    member = make_known_member()
    exports.request_export(member=member, moment=NOON)

    assert exports.expire_exports(moment=NOON + 6 * DAY) == 0
    assert exports.expire_exports(moment=NOON + 7 * DAY) == 1
    assert exports.expire_exports(moment=NOON + 7 * DAY) == 0
    assert DataExport.objects.get().content is None


@pytest.fixture
def mine() -> Caller:
    """Return the app of a member."""
    member = make_known_member()
    assert member.user is not None
    return app(member.user)


def test_a_copy_is_asked_for_and_downloaded_by_its_link(mine: Caller) -> None:
    asked = mine.post("/me/export")

    found = mine.get(f"/me/export/{asked.json()['id']}").json()
    path = found["url"].partition("/api/v1")[2]
    file: HttpResponse = Caller({}).get(path)

    assert (asked.status_code, asked.json()["state"], found["state"]) == (202, "ready", "ready")
    assert (file.status_code, file["Content-Type"]) == (200, "application/zip")
    assert zipfile.ZipFile(io.BytesIO(file.content)).testzip() is None


def test_a_link_is_good_for_its_file_and_a_while_only(mine: Caller) -> None:
    asked = mine.post("/me/export").json()
    path, _, token = asked["url"].partition("/api/v1")[2].partition("?token=")

    forged = Caller({}).get(path, token=token[:-1] + ("A" if token[-1] != "A" else "B"))
    missing = Caller({}).get(path)
    DataExport.objects.update(state="expired", content=None)
    gone = Caller({}).get(path, token=token)

    assert (forged.status_code, missing.status_code, gone.status_code) == (404, 400, 404)
    stranger = make_member("other")
    other = app(login_of(stranger, "other@example.com")).get(f"/me/export/{asked['id']}")
    assert (other.status_code, other.json()["code"]) == (404, "not_found")
