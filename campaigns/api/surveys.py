"""Surveys that a member's app shows and answers."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from campaigns import questionnaire
from campaigns.api.keyed import CURRENCY, respond
from campaigns.api.schemas import EVENT
from campaigns.models import Survey
from campaigns.services import surveys
from loyalty_site.lib import query
from loyalty_site.lib.drf import answer
from loyalty_site.lib.reading import Body, Payload, Text254, read
from loyalty_site.lib.schema import (
    COUNT,
    FLAG,
    MEMBER,
    TEXT,
    array,
    choice,
    nullable,
    operation,
    record,
)
from members.api.base import MembersView
from members.models import Member

QUESTION = record(
    code=TEXT,
    text=TEXT,
    kind=choice("one", "many", "scale", "text"),
    choices=array(TEXT),
    low=nullable(COUNT),
    high=nullable(COUNT),
    optional=FLAG,
)
SURVEYS = record(
    results=array(record(code=TEXT, title=TEXT, intro=TEXT, questions=array(QUESTION), token=TEXT))
)


class SurveyBody(Body, frozen=True):
    """The answers by the code of their question, and the token that the survey was read with."""

    answers: Payload
    token: Text254


class MySurveysView(MembersView):
    """What the member is asked."""

    @operation(
        "list_my_surveys",
        "Read the surveys that you are asked and have not answered",
        access=(MEMBER,),
        tag="me",
        responses={200: SURVEYS},
    )
    def get(self, request: Request) -> HttpResponse:
        """Answer the open surveys with their questions."""
        member, moment = self.me(), timezone.now()
        found = surveys.open_to(member, moment)
        return answer({"results": [_body(each, member) for each in found]})


class MySurveyView(MembersView):
    """One survey."""

    @operation(
        "answer_survey",
        "Answer a survey, once",
        access=(MEMBER,),
        tag="me",
        request=SurveyBody,
        responses={200: EVENT, 201: EVENT},
        problems=(404, 409),
        query=(CURRENCY,),
    )
    def post(self, request: Request, code: str) -> HttpResponse:
        """Keep the answers and give what rules say; a repeat finds the first result."""
        member, body = self.me(), read(SurveyBody, self.json_body())
        return respond(
            surveys.answer(
                member=member,
                code=code,
                answers=body.answers,
                began_at=surveys.began_at(body.token, code=code, member=member),
                actor=self.caller.key,
                moment=timezone.now(),
                currency=query.text(request._request, "currency"),
            )
        )


def _body(survey: Survey, member: Member) -> dict[str, Any]:
    return {
        "code": survey.code,
        "title": survey.title,
        "intro": survey.intro,
        "questions": [_question(each) for each in questionnaire.parse(survey.questions)],
        "token": surveys.token(code=survey.code, member=member, moment=timezone.now()),
    }


def _question(question: questionnaire.Question) -> dict[str, Any]:
    is_scale = question.kind == "scale"
    return {
        "code": question.code,
        "text": question.text,
        "kind": question.kind,
        "choices": list(question.choices),
        "low": question.low if is_scale else None,
        "high": question.high if is_scale else None,
        "optional": question.is_optional,
    }
