"""What a member holds and why, as pages."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.programfile import parse
from campaigns.services import program
from loyalty_site.tests import club
from loyalty_site.tests.club import DAY, JOINED, NOW
from members.models import Member, Message, User

pytestmark = pytest.mark.django_db

PAGES = [
    *("/home", "/rewards", "/rewards?show=affordable", "/rewards/coffee/redeem", "/codes"),
    *("/card", "/activity", "/profile", "/how-it-works", "/program/changes"),
]
KIBIBYTE = 1024


@pytest.fixture(autouse=True)
def at_noon() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def member() -> Member:
    club.open_club()
    return club.join()


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def text_of(browser: Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def spend_a_year(member: Member) -> None:
    """Let everything happen once that a page can show."""
    club.buy(member, "310.00", at=NOW - 200 * DAY)
    club.redeem(member, "coffee", at=NOW - 190 * DAY)
    club.bring_back(club.buy(member, "20.00", at=NOW - 100 * DAY), at=NOW - 99 * DAY)
    club.buy(member, "64.10")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_renders_within_60_kib_and_under_the_strict_policy(
    member: Member, browser: Client, path: str
) -> None:
    spend_a_year(member)

    answer = browser.get(path, headers={"Accept-Encoding": "gzip"})

    assert answer.status_code == 200
    assert len(answer.content) <= 60 * KIBIBYTE
    assert b"Alva Club" in gzip.decompress(answer.content)
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_renders_for_a_member_with_nothing_yet(browser: Client, path: str) -> None:
    assert browser.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path not in {"/how-it-works", "/program/changes"}]
)
def test_a_member_page_asks_to_log_in_and_comes_back(member: Member, path: str) -> None:
    answer = Client().get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/")


def test_a_login_of_staff_is_brought_to_the_admin(member: Member) -> None:
    staff = Client()
    staff.force_login(User.objects.create_superuser("staff@example.com", club.PASSWORD))

    assert staff.get("/home")["Location"] == "/admin/"
    assert staff.get("/").status_code == 200


def test_a_login_without_a_confirmed_address_is_told_so(member: Member) -> None:
    stranger = Client()
    stranger.force_login(User.objects.create_user("new@example.com", club.PASSWORD))

    answer = stranger.get("/home", follow=True)

    assert answer.redirect_chain == [("/how-it-works", 302)]
    assert b"Confirm your email address first." in answer.content


def test_the_door_tells_strangers_how_it_works_and_brings_members_home(
    browser: Client,
) -> None:
    assert "1 point per 2 euros of fuel" in text_of(Client(), "/")
    assert browser.get("/")["Location"] == "/home"


def test_how_it_works_tells_the_live_program_in_plain_words(browser: Client) -> None:
    text = text_of(browser, "/how-it-works")

    for sentence in (
        "2 more points per euro of fruit, vegetables and fish",
        "until July 26, 2026",
        "At most 100 points a day",
        "50 points for a big shop",
        "Silver from 1,250 status points",
        "Your status points of the last 12 months decide your tier.",
        "Points last 12 months, to the end of that month.",
        "Bring the receipt within 30 days",
        "An evening in our kitchen 2,500 points",
        "Your tier",
    ):
        assert sentence in text
    # One is over, one has not begun.
    assert "of meat" not in text
    assert "from the deli" not in text


def test_home_takes_at_most_six_queries(member: Member, browser: Client) -> None:
    spend_a_year(member)
    browser.get("/home")

    with CaptureQueriesContext(connection) as queries:
        assert browser.get("/home").status_code == 200

    assert len(queries) <= 6, [query["sql"][:80] for query in queries]


def test_home_takes_at_most_six_queries_also_when_something_is_due(
    member: Member, browser: Client
) -> None:
    club.buy(member, "64.10", at=NOW - 200 * DAY)
    with time_machine.travel(NOW + 300 * DAY, tick=False):
        # The session of a browser ends long before its points do.
        later = club.browser_of(member)
        later.get("/home")

        with CaptureQueriesContext(connection) as queries:
            answer = later.get("/home")

    assert answer.context["balance"]["available"].points == 0
    assert len(queries) <= 6, [query["sql"][:80] for query in queries]


def test_home_shows_what_the_member_holds_and_what_comes_next(
    member: Member, browser: Client
) -> None:
    spend_a_year(member)

    context = browser.get("/home").context

    # 310 and the 50 of a big shop, less 150 for coffee; 20 came and went; today 64, and 75 for
    # coming back after so long.
    assert context["balance"]["available"].text == "349 points"
    assert context["balance"]["worth"] == "€3.49"
    assert context["tier"].name == "Bronze"
    assert context["tier"].next.missing.text == "876 status points"
    assert context["next_reward"]["name"] == "5 euros off"
    assert context["next_reward"]["missing"].text == "151 points"
    assert [line.title for line in context["entries"]] == [
        *("Purchase", "Goods returned", "Purchase", "Reward redeemed", "Purchase"),
    ]
    assert [month["amount"].points for month in context["months"]] == [0, 0, 0, 0, 0, 139]
    assert [lot["amount"].points for lot in context["lots"]] == [210, 139]


def test_home_warns_of_points_that_expire_within_thirty_days(
    member: Member, browser: Client
) -> None:
    club.buy(member, "40.00", at=NOW - 299 * DAY)
    with time_machine.travel(NOW + 75 * DAY, tick=False):
        context = club.browser_of(member).get("/home").context

    # Earned on 29 August 2025, good through August 2026 and its last day.
    assert context["expiring"] is None
    with time_machine.travel("2026-08-21T12:00Z", tick=False):
        context = club.browser_of(member).get("/home").context
    assert context["expiring"]["amount"].text == "40 points"
    assert context["expiring"]["last_day"].isoformat() == "2026-08-31"
    assert context["expiring"]["days_left"] == 10


def test_times_read_in_the_zone_of_the_member(member: Member) -> None:
    purchase = club.buy(member, "10.00", at=NOW - timedelta(hours=1))
    Member.objects.filter(pk=member.pk).update(timezone="Asia/Tokyo")

    page = club.why(club.browser_of(member), club.latest(member, "earn"))

    assert purchase.occurred_at.hour == 11
    assert "June 24, 2026, 8 p.m." in page


def test_an_earn_says_which_rules_gave_it(member: Member, browser: Client) -> None:
    club.buy(member, "80.00", category="produce")

    page = club.why(browser, club.latest(member, "earn"))

    assert "1 point per euro" in page
    assert "Fresh weeks" in page
    assert "A limit made 160 points into 100 points." in page
    assert "50 points for a big shop" in page
    assert "use by June 30, 2027" in page
    assert "+230" in page


def test_a_redemption_says_which_lots_it_used(member: Member, browser: Client) -> None:
    club.buy(member, "100.00", at=NOW - 200 * DAY)
    club.buy(member, "64.10")
    club.redeem(member, "coffee")

    page = club.why(browser, club.latest(member, "redeem"))

    assert "Points used, soonest expiry first" in page
    assert "use by Dec. 31, 2026" in page
    assert "earned on Dec. 6, 2025" in page
    # 64 of today, and 75 for coming back after so long.
    assert "139 points" in page


def test_an_expiry_says_which_lot_ended(member: Member) -> None:
    club.buy(member, "40.00", at=NOW - 299 * DAY)
    ended = NOW + 75 * DAY
    club.settle(member, ended)

    with time_machine.travel(ended, tick=False):
        page = club.why(club.browser_of(member), club.latest(member, "expire"))

    assert "These points reached their end" in page
    assert "use by Aug. 31, 2026" in page
    assert "−40" in page


def test_a_return_says_what_was_taken_back(member: Member, browser: Client) -> None:
    purchase = club.buy(member, "64.10", at=NOW - 10 * DAY)
    club.bring_back(purchase)

    page = club.why(browser, club.latest(member, "clawback"))

    assert "Goods of your purchase of June 14, 2026 came back, and so did their points." in page
    assert "1 point per euro" in page
    assert "−64" in page


def test_a_return_of_points_that_were_used_says_that_they_are_owed(
    member: Member, browser: Client
) -> None:
    purchase = club.buy(member, "160.00", at=NOW - 10 * DAY)
    club.redeem(member, "coffee")
    club.bring_back(purchase)

    page = club.why(browser, club.latest(member, "clawback"))

    # 160 and 50 were given; 60 were left after the coffee.
    assert "150 points had been used already; what you earn next settles that." in page
    assert "You owe 150 points from a return." in text_of(browser, "/home")


def test_nobody_sees_why_anothers_points_moved(member: Member) -> None:
    other = club.browser_of(club.join("Bruno"))
    club.buy(member)

    answer = other.get(f"/activity/{club.latest(member, 'earn').public_id}/why")

    assert answer.status_code == 404


def test_activity_goes_on_where_the_page_ended(member: Member, browser: Client) -> None:
    for number in range(25):
        club.buy(member, f"{number + 1}.00", at=NOW - (30 - number) * DAY)

    first = browser.get("/activity")
    more = f"/activity?cursor={first.context['next_cursor']}"
    rest = browser.get(more)
    lines = browser.get(more, headers={"HX-Request": "true"})

    assert [line.amount.points for line in first.context["entries"]] == list(range(25, 5, -1))
    assert [line.amount.points for line in rest.context["entries"]] == [5, 4, 3, 2, 1]
    assert rest.context["next_cursor"] is None
    assert b"Back to the newest" in rest.content
    assert lines.content.count(b"<li>") == 5
    assert b"<html" not in lines.content


def test_a_forged_place_in_the_activity_leads_to_its_beginning(browser: Client) -> None:
    assert browser.get("/activity?cursor=forged")["Location"] == "/activity"


def test_the_card_gives_htmx_a_fresh_code_alone(member: Member, browser: Client) -> None:
    page = browser.get("/card")
    code = browser.get("/card", headers={"HX-Request": "true"})

    assert member.number.encode() in page.content
    assert page.content.count(b"<svg") > 1
    assert code.content.count(b"<svg") == 1
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"


def test_a_message_is_read_by_its_member_alone(member: Member, browser: Client) -> None:
    message = Message.objects.create(
        member=member, kind="welcome", title="Welcome", dedupe_key="welcome", sent_at=JOINED
    )
    stranger = club.browser_of(club.join("Bruno"))
    path = f"/messages/{message.public_id}/read"

    assert stranger.post(path).status_code == 404
    assert browser.get(path).status_code == 405
    assert browser.get("/home").context["inbox"][0]["is_read"] is False
    assert browser.post(path)["Location"] == "/home"

    assert browser.get("/home").context["inbox"][0]["is_read"] is True


def test_the_manifest_names_the_program(member: Member) -> None:
    answer = Client().get("/manifest.webmanifest")

    assert answer["Content-Type"] == "application/manifest+json"
    assert answer.json()["name"] == "Alva Club"
    assert answer.json()["start_url"] == "/home"


def test_the_changes_say_what_they_mean_for_ones_own_points(
    member: Member, browser: Client
) -> None:
    club.buy(member, "420.00", at=NOW - DAY)
    text = club.FILE.read_text(encoding="utf-8")
    dearer = text.replace("points_price: 150", "points_price: 300")
    dearer = dearer.replace("threshold: 1250", "threshold: 1500")
    program.apply(document=parse(dearer), moment=NOW)

    mine, anybodys = (text_of(each, "/program/changes") for each in (browser, Client()))

    assert "Coffee at the bar costs 300 points instead of 150." in anybodys
    assert "Your 470 points buy 3 of them now, and 1 then." in mine
    assert "Silver asks for 1,500 status points instead of 1,250." in mine
    assert "You have 420 status points: 1,080 more are asked for then." in mine
    assert "1 of 8 rewards becomes dearer." in mine
    assert "at least 30 days before" in anybodys
    assert "Your" not in anybodys.partition("To come")[2]
