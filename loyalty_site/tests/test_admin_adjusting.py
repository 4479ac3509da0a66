"""Points by hand in the admin: the page of a member, the list of approvals, and forged requests."""

from __future__ import annotations

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string

from loyalty_site.tests import staffed
from members.models import (
    Adjustment,
    AdjustmentReason,
    Approval,
    ApprovalPolicy,
    LedgerAccount,
    LedgerTransaction,
    Member,
    PointCurrency,
    PointLot,
    Reinstatement,
    StaffDay,
    User,
)
from members.services import adjustments, approvals
from members.services.adjustments import Wish

BOOKS = [
    model
    for model in apps.get_app_config("members").get_models()
    if model.__name__.startswith("Ledger") or model.__name__ in {"PointLot", "LotUse"}
]
GUARDED: list[type[models.Model]] = [StaffDay, Approval, Adjustment, Reinstatement]


def clerk(name: str, *permissions: str) -> User:
    user = User.objects.create_user(f"{name}@example.com", None, is_staff=True)
    codes = permissions or ("view_member", "view_approval", "add_approval", "change_approval")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


def form(points: int, **told: Any) -> dict[str, Any]:
    return {
        "key": str(uuid4()),
        "currency": PointCurrency.objects.get(code="points").pk,
        "direction": "credit",
        "points": points,
        "reason": AdjustmentReason.objects.get(code="goodwill").pk,
        "note": "Sorry for the cold soup",
        "expires": "policy",
        "why": "Called on Monday",
        **told,
    }


def page_of(member: Member) -> str:
    return reverse("admin:members_member_adjust", args=[member.pk])


def decide(approval: Approval) -> str:
    return reverse("admin:members_approval_decide", args=[approval.pk])


def available(member: Member) -> int:
    return LedgerAccount.objects.get(
        member=member, kind="available", currency__code="points"
    ).balance


def rows_of(model: type[models.Model]) -> list[Any]:
    return list(model._default_manager.order_by("pk").values_list())


@pytest.fixture
def member(db: None) -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def ann(member: Member) -> Client:
    """Return the browser of one of the staff."""
    return staffed.browser_of(clerk("ann"))


@pytest.fixture
def ben(member: Member) -> Client:
    """Return the browser of another."""
    return staffed.browser_of(clerk("ben"))


def test_a_small_adjustment_is_done_and_the_member_reads_why(ann: Client, member: Member) -> None:
    before = available(member)

    answer = ann.post(page_of(member), form(200))
    posted = LedgerTransaction.objects.get(type="adjust_credit")
    member.user = User.objects.create_user("ada@example.com", "a long enough password")
    member.save()
    mine = staffed.browser_of(member.user)
    why = mine.get(reverse("activity_why", args=[posted.public_id])).content.decode()

    assert answer["Location"].endswith("#statement")
    assert available(member) == before + 200
    assert "A gesture of goodwill" in mine.get(reverse("activity")).content.decode()
    assert "We adjusted your points by hand: A gesture of goodwill." in why
    assert "Sorry for the cold soup" in why
    assert "Called on Monday" not in why
    assert PointLot.objects.get(transaction=posted).expires_at is not None


def test_a_large_one_waits_until_somebody_else_approves_it(
    ann: Client, ben: Client, member: Member
) -> None:
    before = available(member)
    ann.post(page_of(member), form(5000))
    approval = Approval.objects.get()
    page = reverse("admin:members_approval_change", args=[approval.pk])

    own = ann.get(page).content.decode()
    ann.post(decide(approval), {"step": "approve"})
    still = Approval.objects.get().state
    other = ben.get(page).content.decode()
    ben.post(decide(approval), {"step": "approve", "answer": "Fine"})

    assert ('value="approve"' in own, 'value="approve"' in other) == (False, True)
    assert still == "requested"
    assert available(member) == before + 5000


def test_rejecting_needs_the_right_or_ones_own_request(ann: Client, member: Member) -> None:
    desk = staffed.browser_of(clerk("dan", "view_approval", "add_approval"))
    ann.post(page_of(member), form(5000))
    desk.post(page_of(member), form(6000))
    theirs, own = Approval.objects.order_by("pk")

    answers = [desk.post(decide(each), {"step": "reject"}).status_code for each in (theirs, own)]

    assert answers == [403, 302]
    assert [each.state for each in Approval.objects.order_by("pk")] == ["requested", "rejected"]


def test_reversing_stands_on_the_page_of_the_act(ann: Client, ben: Client, member: Member) -> None:
    before = available(member)
    ann.post(page_of(member), form(200))
    approval = Approval.objects.get()

    ben.post(decide(approval), {"step": "reverse"})

    assert Approval.objects.get().state == "reversed"
    assert available(member) == before


def test_evidence_is_a_download_for_staff_alone(ann: Client, member: Member) -> None:
    upload = SimpleUploadedFile("letter.pdf", b"%PDF-1.7 <script>", content_type="text/html")
    ann.post(page_of(member), form(200, evidence=upload))
    url = reverse("admin:members_approval_evidence", args=[Approval.objects.get().pk])
    nobody = staffed.browser_of(clerk("eve", "view_member"))

    answer = ann.get(url)

    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert nobody.get(url).status_code == 403
    assert Client().get(url).status_code == 302


@pytest.mark.parametrize(
    ("_case", "told", "sentence"),
    [
        ("no points", {"points": 0}, "greater than or equal to 1"),
        ("no reason", {"reason": ""}, "required"),
        ("a day that is missing", {"expires": "day"}, "Choose the last day."),
        (
            "more than there is",
            {"direction": "debit", "points": 90_000, "is_within_balance": ""},
            "90000 points asked, 1530 available.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_said_on_the_form(
    _case: str, told: dict[str, Any], sentence: str, ann: Client, member: Member
) -> None:
    reason = AdjustmentReason.objects.get(code="correction").pk

    answer = ann.post(page_of(member), {**form(1), "reason": reason, **told})

    assert sentence in answer.content.decode()
    assert not Approval.objects.exists()


def test_who_may_only_look_adjusts_nothing(member: Member) -> None:
    desk = staffed.browser_of(clerk("dan", "view_member", "view_approval"))

    answers = [desk.get(page_of(member)), desk.post(page_of(member), form(10))]
    page = desk.get(reverse("admin:members_member_change", args=[member.pk])).content.decode()

    assert [answer.status_code for answer in answers] == [403, 403]
    assert "Adjust points" not in page
    assert not Approval.objects.exists()


def test_only_superusers_change_what_one_person_may_do_alone(member: Member) -> None:
    powers = ("add_approvalpolicy", "change_approvalpolicy", "view_approvalpolicy")
    desk = staffed.browser_of(clerk("dan", *powers))
    points = PointCurrency.objects.get(code="points")
    told = {"currency": points.pk, "points_alone": 10**6, "points_daily": 10**6}

    refused = desk.post(reverse("admin:members_approvalpolicy_add"), told)
    root = staffed.browser_of(staffed.superuser())
    root.post(reverse("admin:members_approvalpolicy_add"), told)

    assert refused.status_code == 403
    assert ApprovalPolicy.objects.get().points_alone == 10**6


def test_the_pages_of_adjustments_take_few_queries(
    ann: Client, ben: Client, member: Member
) -> None:
    ann.post(page_of(member), form(5000))
    url = reverse("admin:members_approval_change", args=[Approval.objects.get().pk])

    counts = []
    for page in (page_of(member), url):
        with CaptureQueriesContext(connection) as captured:
            assert ben.get(page).status_code == 200
        counts.append(len(captured))

    assert max(counts) <= 12


def test_an_old_debt_is_asked_for_on_its_page_and_forgiven_by_another(
    ann: Client, ben: Client, member: Member
) -> None:
    url = reverse("admin:members_approval_debts")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM ledger_adjust_debit(%s::bigint, %s::bigint, 1600::bigint,"
            " 'adjust_debit', 'adjusted', 'test', 'owed', 'test', %s::timestamptz,"
            " %s::timestamptz, '', NULL::bigint, false, 'debt')",
            [member.pk, PointCurrency.objects.get(code="points").pk, *[timezone.now()] * 2],
        )
    debt = LedgerAccount.objects.get(member=member, kind="debt")

    listed = ann.get(url + "?months=0").content.decode()
    ann.post(url, {"account": debt.pk, "why": "Moved away"})
    ben.post(decide(Approval.objects.get()), {"step": "approve"})

    assert (debt.balance, member.number in listed) == (-70, True)
    assert member.number not in ann.get(url).content.decode()
    assert LedgerAccount.objects.get(pk=debt.pk).balance == 0


def test_forged_requests_over_http_change_no_row_of_the_books(live_site: str) -> None:
    """Staff cannot give points away alone (T14): real requests, a real session, 0 rows."""
    member = staffed.open_shop()
    root = staffed.superuser()
    asked = approvals.Asked(
        program_id=member.program_id,
        act=adjustments.ACT,
        member_id=member.pk,
        currency_id=PointCurrency.objects.get(code="points").pk,
        points=5000,
        is_credit=True,
    )
    approval = approvals.request(asked=asked, by=root, moment=timezone.now())
    before = {model: rows_of(model) for model in BOOKS}
    forger = Forger(live_site, staffed.browser_of(root).cookies["sessionid"].value)

    codes = {
        forger.post(f"/admin/members/{model._meta.model_name}/{place}")
        for model in [*BOOKS, *GUARDED]
        for place in ("add/", f"{_first(model)}/change/", f"{_first(model)}/delete/", "")
    }
    alone = forger.post(decide(approval), step="approve")
    forger.token = "of another site"
    forged = forger.post(decide(approval), step="reject")

    assert codes <= {200, 302, 403, 404}
    assert (alone, forged) == (302, 403)
    assert {model: rows_of(model) for model in BOOKS} == before
    assert Approval.objects.get().state == "requested"
    assert not StaffDay.objects.exists()


class Forger:
    """Posts whatever it likes with the session of somebody of the staff."""

    def __init__(self, site: str, session: str) -> None:
        self.site = site
        self.session = session
        self.token = get_random_string(32)

    def post(self, path: str, **told: str) -> int:
        """Post to a page; return what was answered, redirects not followed."""
        connection = http.client.HTTPConnection(self.site.removeprefix("http://"), timeout=60)
        body = {"points": "1000000", "balance": "1000000", "state": "posted", "post": "yes", **told}
        headers = {
            "Cookie": f"sessionid={self.session}; csrftoken={self.token[:32]}",
            "X-CSRFToken": self.token,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request("POST", path, urlencode(body), headers)
        status = connection.getresponse().status
        connection.close()
        return status


def _first(model: type[models.Model]) -> int:
    first = model._default_manager.order_by("pk").first()
    return first.pk if first else 1


def test_many_at_once_give_no_more_than_the_cap_of_the_day(committed_database: str) -> None:
    """Sixteen requests of one person released together: the cap of the day holds."""
    member = staffed.open_shop()
    ann, points = clerk("ann"), PointCurrency.objects.get(code="points")
    ApprovalPolicy.objects.create(currency=points, points_alone=100, points_daily=500)
    reason = AdjustmentReason.objects.get(code="goodwill")
    before, gate = available(member), threading.Barrier(16)
    moment = timezone.now()

    def give(_n: int) -> str:
        try:
            gate.wait()
            wish = Wish(member_id=member.pk, currency=points, points=100, reason=reason)
            return adjustments.adjust(wish=wish, by=ann, moment=moment).approval.state
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        states = list(pool.map(give, range(16)))

    assert sorted(states) == ["posted"] * 5 + ["requested"] * 11
    assert available(member) == before + 500
    assert StaffDay.objects.get().points == 500


def test_two_who_approve_at_once_give_the_points_once(committed_database: str) -> None:
    """An act is posted once, however many agree to it at the same moment."""
    member = staffed.open_shop()
    ann, others = clerk("ann"), [clerk(f"ben{n}") for n in range(8)]
    points = PointCurrency.objects.get(code="points")
    wish = Wish(
        member_id=member.pk,
        currency=points,
        points=5000,
        reason=AdjustmentReason.objects.get(code="goodwill"),
    )
    made = adjustments.adjust(wish=wish, by=ann, moment=timezone.now())
    before, gate = available(member), threading.Barrier(8)

    def agree(by: User) -> bool:
        try:
            gate.wait()
            approvals.approve(approval_id=made.pk, by=by, moment=timezone.now())
        except approvals.NotWaiting:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        agreed = list(pool.map(agree, others))

    assert sum(agreed) == 1
    assert available(member) == before + 5000
