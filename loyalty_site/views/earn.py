"""Ways to earn beside buying: a code, typed in or behind a QR code, and surveys."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from campaigns import questionnaire
from campaigns.services import codes, surveys
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.problems import Invalid, NotFound
from loyalty_site.pages.surveys import SurveyForm
from loyalty_site.pages.words import Words
from loyalty_site.views.access import member_page
from loyalty_site.views.keyed import caller_of
from members.forms import CodeForm
from members.models import Member
from members.services.tries import TriedTooOften

CODE_LENGTH_MAX = 64


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def earn_page(request: HttpRequest, member: Member) -> HttpResponse:
    """Show the form, filled by the link; posting redeems the code, once for ever."""
    if request.method != "POST":
        # A link fills the form and no more: following one must not move points.
        given = request.GET.get("code", "")[:CODE_LENGTH_MAX]
        return _page(request, member, CodeForm(initial={"code": given}))
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _page(request, member, form, status=422)
    try:
        outcome = codes.redeem(
            member=member,
            code=form.cleaned_data["code"],
            actor=caller_of(member),
            moment=timezone.now(),
        )
    except DomainError as refusal:
        form.add_error("code", _told(refusal))
        return _page(request, member, form, status=refusal.status)
    _tell(request, member, outcome.body["points"]["granted"], is_repeat=outcome.replayed)
    return redirect("earn")


def _page(
    request: HttpRequest, member: Member, form: CodeForm, *, status: int = 200
) -> HttpResponse:
    asked = surveys.open_to(member, timezone.now())
    return render(request, "members/earn.html", {"form": form, "surveys": asked}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@member_page
def survey_page(request: HttpRequest, member: Member, code: str) -> HttpResponse:
    """Ask the questions of a survey; posting keeps the answers once, however often pressed."""
    moment = timezone.now()
    survey = surveys.open_to(member, moment).filter(code=code).first()
    if survey is None and request.method != "POST":
        # Answered already, over, or not for this member: the list says what is left.
        messages.info(request, _("This survey is not open to you any more."))
        return redirect("earn")
    if survey is None:
        return _thanked(request, member, code, {}, "")
    questions = questionnaire.parse(survey.questions)
    if request.method != "POST":
        token = surveys.token(code=code, member=member, moment=moment)
        form = SurveyForm(questions=questions, initial={"token": token})
        return render(request, "members/survey.html", {"survey": survey, "form": form})
    form = SurveyForm(request.POST, questions=questions)
    refusal = ""
    if form.is_valid():
        try:
            return _thanked(request, member, code, form.answers, form.cleaned_data["token"])
        except surveys.AnsweredTooFast as fast:
            seconds = fast.figures["retry_after"]
            refusal = ngettext(
                "Please take your time: press again in %(n)d second.",
                "Please take your time: press again in %(n)d seconds.",
                seconds,
            ) % {"n": seconds}
        except Invalid:
            refusal = _("Something was not answered as it has to be. Please look again.")
    context = {"survey": survey, "form": form, "refusal": refusal}
    return render(request, "members/survey.html", context, status=422)


def _thanked(
    request: HttpRequest, member: Member, code: str, answers: dict[str, Any], token: str
) -> HttpResponse:
    moment = timezone.now()
    began_at = surveys.began_at(token, code=code, member=member) if token else moment
    try:
        outcome = surveys.answer(
            member=member,
            code=code,
            answers=answers,
            began_at=began_at,
            actor=caller_of(member),
            moment=moment,
        )
    except NotFound:
        messages.info(request, _("This survey is not open to you any more."))
        return redirect("earn")
    points = outcome.body["points"]["granted"]
    if points:
        figures = {"points": Words(member.program).points(points).text}
        messages.success(request, _("Thank you! %(points)s for you.") % figures)
    else:
        messages.success(request, _("Thank you for your answers."))
    return redirect("earn")


def _told(refusal: DomainError) -> str:
    if isinstance(refusal, TriedTooOften):
        minutes = -(-refusal.figures["retry_after"] // 60)
        return _("Too many wrong codes. Try again in %(minutes)s min.") % {"minutes": minutes}
    if isinstance(refusal, codes.CodeNotFound):
        told = _("This code is unknown, was used already, or its time is over.")
        left = refusal.figures.get("tries_left", 0)
        if left == 0:
            return f"{told} {_('You can try again in 15 minutes.')}"
        return told
    return str(refusal.detail)


def _tell(request: HttpRequest, member: Member, points: int, *, is_repeat: bool) -> None:
    figures = {"points": Words(member.program).points(points).text}
    if is_repeat:
        messages.info(request, _("You redeemed this code before: %(points)s.") % figures)
    elif points:
        messages.success(request, _("Well found: %(points)s for you.") % figures)
    else:
        messages.info(request, _("The code is noted. It gives no points at the moment."))
