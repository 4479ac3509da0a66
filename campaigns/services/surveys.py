"""Ask members, and keep what they answer once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns import questionnaire
from campaigns.bodies import EventBody
from campaigns.models import Event, Survey, SurveyAnswer
from campaigns.queries import rulebook
from campaigns.services import events
from campaigns.services.keys import Outcome
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import FieldError, Invalid, NotFound
from loyalty_site.lib.reading import MemberRef
from loyalty_site.lib.retries import retrying
from members.models import Member, Segment, SegmentMembership, User
from members.queries.program import current_program

EVENT_TYPE: Final = "survey"
SOURCE: Final = "survey"

_signer = Signer(salt="campaigns.surveys")
_REASONS: Final = {
    "required": "An answer is needed.",
    "invalid": "This is none of the answers.",
    "unknown": "There is no such question.",
}


class AnsweredTooFast(DomainError):
    """Nobody reads the questions in that time."""

    code = "answered_too_fast"
    title = "Answered too fast"
    cause = "The answers came sooner than anybody can read the questions."
    remedy = "Send the same answers again after the seconds in `Retry-After`."


class SurveyExists(DomainError):
    """Another survey has this code."""

    code = "survey_exists"
    title = "Another survey has this code"
    cause = "Rules know a survey by its code, so that two cannot share one."
    remedy = "Choose another code for the survey."


@dataclass(frozen=True, slots=True)
class SurveySpec:
    """What a survey is made of; without an audience everybody is asked."""

    code: str
    title: str
    questions: str
    opens_at: datetime
    closes_at: datetime | None = None
    intro: str = ""
    audience: Segment | None = None
    minimum_seconds: int = 0


def make(*, spec: SurveySpec, user: User, moment: datetime) -> Survey:
    """Make a survey.

    :raises NotAQuestionnaire: a line of the questions is not what it has to be.
    :raises SurveyExists: the code is taken.
    """
    questionnaire.parse(spec.questions)
    survey, is_new = Survey.objects.get_or_create(
        program=current_program(),
        code=spec.code,
        defaults={
            "title": spec.title,
            "intro": spec.intro,
            "questions": spec.questions,
            "audience": spec.audience,
            "minimum_seconds": spec.minimum_seconds,
            "opens_at": spec.opens_at,
            "closes_at": spec.closes_at,
            "created_by": user,
            "created_at": moment,
        },
    )
    if not is_new:
        raise SurveyExists
    return survey


def close(*, survey: Survey, moment: datetime) -> None:
    """Ask nobody any more. A survey that is closed stays so; a repeat does nothing."""
    is_open = Q(closes_at__isnull=True) | Q(closes_at__gt=moment)
    Survey.objects.filter(is_open, pk=survey.pk, opens_at__lte=moment).update(closes_at=moment)


def open_to(member: Member, moment: datetime) -> QuerySet[Survey]:
    """Return the surveys that the member is asked and has not answered, the newest first."""
    inside = SegmentMembership.objects.filter(segment=OuterRef("audience"), member=member)
    answered = SurveyAnswer.objects.filter(survey=OuterRef("pk"), member__in=member.rows)
    return Survey.objects.filter(
        Q(closes_at__isnull=True) | Q(closes_at__gt=moment),
        Q(audience__isnull=True) | Exists(inside),
        ~Exists(answered),
        program_id=member.program_id,
        opens_at__lte=moment,
    ).order_by("-opens_at", "-pk")


def token(*, code: str, member: Member, moment: datetime) -> str:
    """Return a text that says when the member was shown the questions, which nobody can make up."""
    return _signer.sign(f"{code}:{member.public_id}:{int(moment.timestamp())}")


def began_at(text: str, *, code: str, member: Member) -> datetime:
    """Return when the member was shown the questions.

    :raises Invalid: the token is not one of this survey and member.
    """
    try:
        shown, whose, at = _signer.unsign(text).rsplit(":", 2)
    except (BadSignature, ValueError):
        shown = whose = at = ""
    if (shown, whose) != (code, str(member.public_id)):
        told = "The token is not the one that this survey was read with."
        raise Invalid([FieldError("/token", "invalid", told)])
    return datetime.fromtimestamp(int(at), UTC)


def answer(
    *,
    member: Member,
    code: str,
    answers: Mapping[str, Any],
    began_at: datetime,
    actor: str,
    moment: datetime,
    currency: str | None = None,
) -> Outcome:
    """Keep a member's answers and return the event's answer with its points.

    Who has answered gets the first result again, whatever they answer now.

    :raises NotFound: there is no such survey, or the member is not asked.
    :raises AnsweredTooFast: with ``retry_after`` in seconds; nothing was kept.
    :raises Invalid: with a pointer for each question that is not answered as it has to be.
    """
    return retrying(partial(_answer, member, code, answers, began_at, actor, moment, currency))


@transaction.atomic
def _answer(
    member: Member,
    code: str,
    answers: Mapping[str, Any],
    began_at: datetime,
    actor: str,
    moment: datetime,
    currency: str | None,
) -> Outcome:
    survey = Survey.objects.filter(program_id=member.program_id, code=code).first()
    if survey is None:
        raise NotFound
    first = SurveyAnswer.objects.filter(survey=survey, member__in=member.rows).first()
    if first is None:
        if not open_to(member, moment).filter(pk=survey.pk).exists():
            raise NotFound
        kept = _checked(survey, answers, began_at, moment)
        # Of two presses at once the second waits here, and finds the row of the first.
        first, _ = SurveyAnswer.objects.get_or_create(
            survey=survey, member=member, defaults={"answers": kept, "answered_at": moment}
        )
    return _thank(survey, first, actor, moment, currency)


def _checked(
    survey: Survey, answers: Mapping[str, Any], began_at: datetime, moment: datetime
) -> dict[str, Any]:
    kept, wrong = questionnaire.cleaned(questionnaire.parse(survey.questions), answers)
    if wrong:
        raise Invalid(
            [FieldError(f"/answers/{name}", why, _REASONS[why]) for name, why in wrong.items()]
        )
    left = survey.minimum_seconds - int((moment - began_at).total_seconds())
    if left > 0:
        raise AnsweredTooFast(retry_after=left)
    return kept


def _thank(
    survey: Survey, answered: SurveyAnswer, actor: str, moment: datetime, currency: str | None
) -> Outcome:
    """Post the event; its business key is the survey and the member, so that it is one for ever."""
    by = answered.member
    name = f"{survey.public_id}:{by.public_id}"
    body = EventBody(
        type=EVENT_TYPE,
        member=MemberRef(id=by.public_id),
        source=SOURCE,
        external_id=name,
        occurred_at=answered.answered_at,
        payload={"survey": survey.code},
    )
    outcome = events.process_event(body=body, actor=actor, moment=moment, currency=currency)
    if answered.event_id is None:
        event = Event.objects.get(source=SOURCE, external_id=name)
        SurveyAnswer.objects.filter(pk=answered.pk).update(event=event)
    return outcome


def is_answered_by_rules(moment: datetime) -> bool:
    """Return whether a live rule gives anything for an answered survey."""
    published = rulebook.latest().rules_at(moment)
    return published is not None and f"event:{EVENT_TYPE}" in published.by_trigger
