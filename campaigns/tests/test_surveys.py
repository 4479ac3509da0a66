"""Surveys: asked, answered once, worth what rules say, and gone with the member."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from campaigns.models import Event, Survey, SurveyAnswer
from campaigns.services import erasure, surveys
from campaigns.services.surveys import AnsweredTooFast, SurveyExists, SurveySpec
from campaigns.tests.shop import NOON, apply, balances, differences, join, program_file
from campaigns.tests.test_intake_together import together
from loyalty_site.lib.problems import Invalid, NotFound
from members.models import Member, Segment, SegmentMembership, User

FIXED = {"kind": "earn_fixed", "currency": "points", "points": 60}
RULE = {"code": "survey", "trigger": "event:survey", "effects": [FIXED]}
TEXT = "Do you cook?\n- yes\n- no\nWhat is missing? (optional)"
ANSWERS = {"q1": "yes", "q2": "Tea"}


def shop() -> Member:
    """Open a shop that thanks for answers, with a member and a survey."""
    apply(program_file(rules=[RULE]))
    make()
    return join()


def make(code: str = "kitchen", **fields: Any) -> Survey:
    user, _ = User.objects.get_or_create(email="staff@example.com")
    told = {"title": "Your kitchen", "questions": TEXT, "opens_at": NOON, **fields}
    return surveys.make(spec=SurveySpec(code=code, **told), user=user, moment=NOON)


def answer(member: Member, seconds: int = 60, code: str = "kitchen", **answers: Any) -> Any:
    moment = NOON + timedelta(seconds=seconds)
    return surveys.answer(
        member=member,
        code=code,
        answers=answers or ANSWERS,
        began_at=NOON,
        actor="test",
        moment=moment,
    )


@pytest.fixture
def member(db: None) -> Member:
    return shop()


def test_answers_are_kept_and_thanked_once(member: Member) -> None:
    first, again = answer(member), answer(member, 90, q1="no")

    assert (first.status, first.body["points"]["granted"]) == (201, 60)
    assert (again.status, again.replayed) == (200, True)
    assert SurveyAnswer.objects.get().answers == ANSWERS
    assert Event.objects.get().payload == {"survey": "kitchen"}
    assert balances(member) == {"available": 60}
    assert differences() == []


def test_who_answered_is_not_asked_again(member: Member) -> None:
    asked = [each.code for each in surveys.open_to(member, NOON)]
    answer(member)

    assert asked == ["kitchen"]
    assert not surveys.open_to(member, NOON).exists()


def test_answers_that_do_not_fit_name_their_question_and_keep_nothing(member: Member) -> None:
    with pytest.raises(Invalid) as refused:
        answer(member, q1="perhaps", q7="x")

    assert {each.pointer: each.code for each in refused.value.errors} == {
        "/answers/q1": "invalid",
        "/answers/q7": "unknown",
    }
    assert not SurveyAnswer.objects.exists()


def test_who_answers_faster_than_anybody_reads_is_asked_to_wait(member: Member) -> None:
    make("slow", minimum_seconds=20)

    with pytest.raises(AnsweredTooFast) as refused:
        answer(member, 8, code="slow")

    assert refused.value.figures["retry_after"] == 12
    assert answer(member, 20, code="slow").status == 201


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"opens_at": NOON + timedelta(days=1)}, id="not open yet"),
        pytest.param({"closes_at": NOON + timedelta(seconds=60)}, id="closed at this instant"),
    ],
)
def test_nobody_answers_a_survey_that_is_not_open(member: Member, fields: Any) -> None:
    make("other", **fields)

    with pytest.raises(NotFound):
        answer(member, code="other")


def test_only_the_audience_is_asked(member: Member) -> None:
    segment = Segment.objects.create(program=member.program, code="cooks")
    make("cooks", audience=segment)
    with pytest.raises(NotFound):
        answer(member, code="cooks")

    SegmentMembership.objects.create(segment=segment, member=member, entered_at=NOON)

    assert answer(member, code="cooks").status == 201


def test_a_closed_survey_stays_closed_and_keeps_its_answers(member: Member) -> None:
    answer(member)
    survey = Survey.objects.get()
    for days in (1, 2):
        surveys.close(survey=survey, moment=NOON + timedelta(days=days))

    survey.refresh_from_db()
    assert survey.closes_at == NOON + timedelta(days=1)
    assert answer(member).replayed


def test_two_surveys_cannot_share_what_rules_know_them_by(member: Member) -> None:
    with pytest.raises(SurveyExists):
        make()


def test_a_token_is_good_for_one_survey_and_one_member(member: Member) -> None:
    token = surveys.token(code="kitchen", member=member, moment=NOON)
    other = join("6011000002")

    assert surveys.began_at(token, code="kitchen", member=member) == NOON
    for wrong in ((token, "slow", member), (token, "kitchen", other), ("x", "kitchen", member)):
        with pytest.raises(Invalid):
            surveys.began_at(wrong[0], code=wrong[1], member=wrong[2])


def test_answers_are_gone_with_the_member(member: Member) -> None:
    answer(member)

    erasure.erase_member(member=member, confirm=member.number, actor="test", moment=NOON)

    assert SurveyAnswer.objects.get().answers == {}


@pytest.mark.usefixtures("committed_database")
def test_a_survey_answered_eight_times_at_once_is_thanked_once() -> None:
    member = shop()

    given = together(8, lambda _: answer(member).body["points"]["granted"])

    assert given == [60] * 8
    assert SurveyAnswer.objects.count() == Event.objects.count() == 1
    assert balances(member) == {"available": 60}
