"""Surveys as pages, as operations, and in the admin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.test import Client

from campaigns.models import Survey, SurveyAnswer
from campaigns.services import surveys
from campaigns.services.surveys import SurveySpec
from loyalty_site.tests import club, staffed
from loyalty_site.tests.club import NOW
from members.models import Member, User
from members.tests import callers

pytestmark = pytest.mark.django_db

TEXT = "Do you cook?\n- yes\n- no\nHow likely is it that you recommend us?\n0-10"


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def member() -> Member:
    club.open_club()
    user, _ = User.objects.get_or_create(email="staff@example.com")
    spec = SurveySpec(
        code="kitchen", title="Your kitchen", questions=TEXT, opens_at=NOW, minimum_seconds=5
    )
    surveys.make(spec=spec, user=user, moment=NOW)
    return club.join(password=club.PASSWORD)


@pytest.fixture
def browser(member: Member) -> Client:
    return club.browser_of(member)


def token_of(browser: Client) -> str:
    page = browser.get("/surveys/kitchen").content.decode()
    (token,) = re.findall(r'name="token" value="([^"]+)"', page)
    return str(token)


def test_a_member_answers_and_is_not_asked_again(
    browser: Client, clock: time_machine.Traveller
) -> None:
    asked = browser.get("/earn").content.decode()
    told = {"token": token_of(browser), "q1": "yes", "q2": "9"}
    clock.shift(timedelta(seconds=30))

    thanked = browser.post("/surveys/kitchen", told, follow=True).content.decode()
    again = browser.post("/surveys/kitchen", told, follow=True).content.decode()

    assert "Your kitchen" in asked
    assert "Thank you" in thanked
    assert "Thank you" in again
    assert "Your kitchen" not in again
    assert SurveyAnswer.objects.get().answers == {"q1": "yes", "q2": 9}


def test_what_was_chosen_stays_where_something_is_missing(browser: Client) -> None:
    page = browser.post("/surveys/kitchen", {"token": token_of(browser), "q1": "no"})

    assert page.status_code == 422
    assert re.search(r'value="no"[^>]* checked', page.content.decode())
    assert not SurveyAnswer.objects.exists()


def test_who_is_too_fast_reads_how_long_to_wait(browser: Client) -> None:
    told = {"token": token_of(browser), "q1": "yes", "q2": "9"}

    page = browser.post("/surveys/kitchen", told)

    assert "press again in 5 seconds" in page.content.decode()


def test_a_survey_that_is_not_there_leads_back(browser: Client) -> None:
    page = browser.get("/surveys/nothing", follow=True)

    assert "not open to you any more" in page.content.decode()


def test_an_app_reads_and_answers(member: Member, clock: time_machine.Traveller) -> None:
    user = member.user or callers.login_of(member)
    app = callers.app(user)
    (survey,) = app.get("/me/surveys").json()["results"]
    clock.shift(timedelta(seconds=30))
    body = {"answers": {"q1": "no", "q2": 3}, "token": survey["token"]}

    first = app.send("POST", "/me/surveys/kitchen", body)
    again = app.send("POST", "/me/surveys/kitchen", body)
    wrong = app.send("POST", "/me/surveys/kitchen", {**body, "token": "made up"})

    assert [question["kind"] for question in survey["questions"]] == ["one", "scale"]
    assert (survey["questions"][1]["low"], survey["questions"][1]["high"]) == (0, 10)
    assert [answer.status_code for answer in (first, again, wrong)] == [201, 200, 400]
    assert app.get("/me/surveys").json() == {"results": []}


def test_staff_write_read_and_close_a_survey(member: Member) -> None:
    staff = staffed.browser_of(staffed.superuser())
    told = {"code": "shop", "title": "The shop", "questions": TEXT, "minimum_seconds": "0"}

    wrong = staff.post("/admin/campaigns/survey/new/", told | {"questions": "- yes"})
    made = staff.post("/admin/campaigns/survey/new/", told)
    survey = Survey.objects.get(code="shop")
    surveys.answer(
        member=member,
        code="shop",
        answers={"q1": "yes", "q2": 10},
        began_at=NOW,
        actor="test",
        moment=NOW,
    )
    page = staff.get(made["Location"]).content.decode()
    staff.post(f"/admin/campaigns/survey/{survey.pk}/close/")

    assert "Line 1: a question before its answers" in wrong.content.decode()
    assert "- yes" in wrong.content.decode()
    assert "Net Promoter Score" in page
    assert "100" in page
    survey.refresh_from_db()
    assert survey.closes_at == NOW


def test_nobody_without_the_permission_writes_or_closes(member: Member) -> None:
    survey = Survey.objects.get()
    reader = staffed.browser_of(staffed.staff("view_survey"))

    answers = [
        reader.post("/admin/campaigns/survey/new/", {"code": "x"}),
        reader.post(f"/admin/campaigns/survey/{survey.pk}/close/"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403]
