"""Segments in the admin: defined of rows, tried, explained, and kept by hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.services import program as programs
from campaigns.services.segments import refresh_segments
from campaigns.tests.shop import join
from loyalty_site.admin.conditions import attribute_choices, flattened
from loyalty_site.admin.segments import trend
from loyalty_site.tests import staffed
from members.models import Member, Segment, SegmentMembership, SegmentMove
from members.queries.scores import migration
from members.queries.segments import Size
from members.services.scores import score_members
from members.tests.people import DAY, NOON

pytestmark = pytest.mark.django_db

DEFINE = "/admin/members/segment/define/"
EMPTY = {"attr": "", "op": "eq", "value": "", "negated": ""}


@pytest.fixture
def member() -> Member:
    """Return the member of a shop that has a bit of everything."""
    return staffed.open_shop()


@pytest.fixture
def root(member: Member) -> Client:
    """Return the browser of a superuser."""
    return staffed.browser_of(staffed.superuser())


def form(*rows: dict[str, str], **told: str) -> dict[str, str]:
    """Return what the page posts."""
    posted = {"code": "regulars", "kind": "dynamic", "group": "all", "name_en": "Regulars", **told}
    posted |= {"form-TOTAL_FORMS": "6", "form-INITIAL_FORMS": "0"}
    for place in range(6):
        row = {**EMPTY, **(rows[place] if place < len(rows) else {})}
        posted |= {f"form-{place}-{name}": value for name, value in row.items()}
    return posted


OFTEN = {"attr": "member.purchases_count", "op": "gte", "value": "5"}
NOT_GOLD = {"attr": "member.tier", "op": "in", "value": "gold, silver", "negated": "not"}


def post(browser: Client, told: dict[str, Any], url: str = DEFINE) -> str:
    return browser.post(url, told, follow=True).content.decode()


def test_a_condition_is_tried_on_everybody_before_anything_is_saved(
    root: Client, member: Member
) -> None:
    page = post(root, form(OFTEN, **{"try": "yes"}))

    assert "Now 1 members" in page
    assert "Members for whom the number of earlier purchases is at least 5." in page
    assert member.number in page
    assert "Ada Lark" in page
    assert not Segment.objects.exists()


def test_a_condition_of_rows_is_saved_as_part_of_the_program(root: Client, member: Member) -> None:
    page = post(root, form(OFTEN, {**NOT_GOLD, "value": "gold"}, save="yes"))

    segment = Segment.objects.get()
    assert segment.where == {
        "all": [
            {"attr": "member.purchases_count", "op": "gte", "value": 5},
            {"not": {"attr": "member.tier", "op": "in", "value": ["gold"]}},
        ]
    }
    assert "never refreshed" in page
    document = programs.live_document()
    assert document is not None
    assert [each["code"] for each in document["segments"]] == ["regulars"]
    assert [each["code"] for each in document["campaigns"]] == ["dairy-days"]

    refresh_segments(moment=NOON + 2000 * DAY)
    assert SegmentMembership.objects.get().member == member

    again = root.get(f"{DEFINE}?segment={segment.pk}").content.decode()
    assert 'value="gold"' in again
    post(root, form(OFTEN, save="yes"), f"{DEFINE}?segment={segment.pk}")
    segment.refresh_from_db()
    assert segment.where == {"attr": "member.purchases_count", "op": "gte", "value": 5}
    assert Segment.objects.count() == 1


@pytest.mark.parametrize(
    ("_case", "told", "said"),
    [
        ("no number", form({**OFTEN, "value": "five"}, save="yes"), "Expected: a whole number"),
        (
            "no such operator",
            form({"attr": "member.tag", "op": "gt", "value": "a"}, save="yes"),
            "Expected: one of in, not_in, contains, exists",
        ),
        ("no rows", form(save="yes"), "Choose at least one condition."),
        (
            "no such tier",
            form({"attr": "member.tier", "op": "eq", "value": "platinum"}, save="yes"),
            "one of bronze, gold, silver",
        ),
        ("no code", form(OFTEN, code="", save="yes"), "This field is required."),
        (
            "a forged attribute",
            form({**OFTEN, "attr": "purchase.net"}, save="yes"),
            "Select a valid choice",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_saved(
    _case: str, told: dict[str, str], said: str, root: Client
) -> None:
    assert said in post(root, told)
    assert not Segment.objects.exists()


def test_the_page_of_a_segment_says_who_is_in_it_and_how_it_grew(
    root: Client, member: Member
) -> None:
    post(root, form(OFTEN, save="yes"))
    segment = Segment.objects.get()
    for day in range(3):
        refresh_segments(moment=timezone.now() - day * DAY)
    url = f"/admin/members/segment/{segment.pk}/change/"

    with CaptureQueriesContext(connection) as captured:
        page = root.get(url).content.decode()

    assert len(captured) <= 12
    assert "Members for whom the number of earlier purchases is at least 5." in page
    assert "<polyline" in page
    assert member.number in page
    assert "entered" in page
    assert root.post(url, {}).status_code == 403


def test_why_a_member_is_in_a_segment_is_told_part_by_part(root: Client, member: Member) -> None:
    post(root, form(OFTEN, {**NOT_GOLD, "value": "gold"}, save="yes"))
    segment = Segment.objects.get()
    refresh_segments(moment=timezone.now())
    url = f"/admin/members/segment/{segment.pk}/why/"

    page = root.get(url, {"member": member.number}).content.decode()

    assert "In the segment since" in page
    assert "the number of earlier purchases is at least 5" in page
    assert page.count("la-dot--well") == 3
    assert page.count("la-dot--ill") == 1
    assert "why?" in root.get(f"/admin/members/member/{member.pk}/change/").content.decode()
    unknown = root.get(url, {"member": "1"}, follow=True).content.decode()
    assert "No member has this number." in unknown


def test_members_of_a_static_segment_come_by_a_file_that_is_checked_first(
    root: Client, member: Member
) -> None:
    post(root, form(kind="static", code="panel", save="yes"))
    segment = Segment.objects.get()
    other = join("6011000009")
    url = f"/admin/members/segment/{segment.pk}/members/"
    file = SimpleUploadedFile("panel.csv", f"member\n{other.number}\nnobody\n".encode())

    page = post(root, {"act": "add", "file": file}, url)

    assert "1 members can be put in." in page
    assert "is no member number" in page
    assert not SegmentMembership.objects.exists()

    numbers = f"{other.number}\n{member.number}"
    page = post(root, {"act": "add", "numbers": numbers, "confirm": "yes"}, url)
    assert "2 members put in." in page
    page = post(root, {"act": "remove", "numbers": other.number, "confirm": "yes"}, url)
    assert "1 members taken out." in page

    assert SegmentMembership.objects.get().member == member
    assert {row.actor.partition(":")[0] for row in SegmentMove.objects.all()} == {"staff"}


@pytest.mark.parametrize(
    ("_case", "told", "said"),
    [
        ("nothing", {"act": "add"}, "Write the numbers or choose a file."),
        (
            "no text",
            {"act": "add", "file": SimpleUploadedFile("x.csv", b"\xff\xfe\x00")},
            "The file is not in UTF-8.",
        ),
        ("no act", {"act": "erase", "numbers": "1"}, "Select a valid choice"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    _case: str, told: dict[str, Any], said: str, root: Client
) -> None:
    post(root, form(kind="static", code="panel", save="yes"))
    segment = Segment.objects.get()

    assert said in post(root, told, f"/admin/members/segment/{segment.pk}/members/")


def test_who_may_only_look_defines_and_moves_nothing(root: Client, member: Member) -> None:
    post(root, form(kind="static", code="panel", save="yes"))
    segment = Segment.objects.get()
    browser = staffed.browser_of(staffed.staff("view_segment"))
    base = f"/admin/members/segment/{segment.pk}"

    page = browser.get(f"{base}/change/").content.decode()
    assert "Put members in" not in page
    told = {"act": "add", "numbers": member.number, "confirm": "yes"}
    assert browser.post(f"{base}/members/", told).status_code == 403
    assert browser.post(DEFINE, form(OFTEN, save="yes")).status_code == 403
    assert browser.get(f"{base}/why/", {"member": member.number}).status_code == 403
    assert not SegmentMembership.objects.exists()
    assert Segment.objects.count() == 1


def test_a_segment_with_a_condition_takes_nobody_by_hand(root: Client, member: Member) -> None:
    post(root, form(OFTEN, save="yes"))
    segment = Segment.objects.get()
    told = {"act": "add", "numbers": member.number, "confirm": "yes"}

    answer = root.post(f"/admin/members/segment/{segment.pk}/members/", told)

    assert answer.status_code == 403
    assert not SegmentMembership.objects.exists()


def test_a_deep_condition_is_no_rows() -> None:
    leaf = {"attr": "member.age", "op": "gte", "value": 18}

    assert flattened(leaf) == ("all", [leaf])
    assert flattened({"any": [leaf, {"not": leaf}]}) == ("any", [leaf, {"not": leaf}])
    assert flattened({"any": [leaf, {"all": [leaf]}]}) is None
    assert flattened({"not": {"any": [leaf]}}) is None
    windowed = {"attr": "history.purchases", "op": "gte", "value": 3, "days": 30}
    assert flattened(windowed) is None


def test_only_what_a_row_can_say_of_a_member_is_offered(db: None) -> None:
    names = [name for name, _phrase in attribute_choices()]

    assert names
    assert [name for name in names if not name.startswith("member.")] == []


def test_the_line_of_sizes_goes_from_the_first_day_to_the_last() -> None:
    found = [Size(NOON.date(), 0), Size((NOON + DAY).date(), 10), Size((NOON + 4 * DAY).date(), 5)]

    assert trend(found).points == "0,120 160,0 640,60"
    assert trend([]).points == ""


def test_groups_and_stages_show_who_moved_in_a_month(root: Client, member: Member) -> None:
    now = timezone.now()
    others = [join(f"60110001{each:02}", at=now - 300 * DAY) for each in range(3)]
    score_members(now - 20 * DAY)
    score_members(now)
    stays = migration(code="stage", since=now - 10 * DAY)
    came = migration(code="stage", since=now - 30 * DAY)

    page = root.get("/admin/members/memberscore/groups/").content.decode()

    assert "RFM groups" in page
    assert "code=stage&amp;text=silent" in page
    assert (stays.now["silent"], stays.cell("silent", "silent")) == (len(others), len(others))
    assert stays.cell("silent", "loyal") == 1
    assert came.cell("", "silent") == len(others)
    assert came.cell("silent", "silent") == 0
    assert "Groups and stages" in root.get("/admin/members/memberscore/").content.decode()


def test_groups_are_for_those_who_may_see_scores(member: Member) -> None:
    browser = staffed.browser_of(staffed.staff("view_member"))

    assert browser.get("/admin/members/memberscore/groups/").status_code == 403
