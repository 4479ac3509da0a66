"""Surveys in the admin: written as plain text, read as figures."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from campaigns import questionnaire
from campaigns.models import Survey, SurveyAnswer
from campaigns.questionnaire import NotAQuestionnaire, Summary
from campaigns.services import surveys
from campaigns.services.surveys import SurveySpec
from loyalty_site.lib.admin import BooksAdmin, ReadOnlyAdmin
from loyalty_site.lib.errors import DomainError
from members.admin.staff import staff_with
from members.models import Segment

# A page counts so many answers, the newest; the others would change little and cost much.
ANSWERS_MAX = 20_000

EXAMPLE = gettext_lazy(
    "A question is a line. Below it: - for a choice of one, * for a choice of several, two numbers"
    " such as 0-10 for a scale, nothing for a text. (optional) at its end lets it be left out."
)


class SurveyAdminForm(forms.Form):
    """A survey as staff write it; times are the program's."""

    code = forms.SlugField(label=gettext_lazy("Code of the survey"), max_length=64)
    title = forms.CharField(label=gettext_lazy("Title"), max_length=150)
    intro = forms.CharField(label=gettext_lazy("Introduction"), max_length=500, required=False)
    questions = forms.CharField(
        label=gettext_lazy("Questions"),
        help_text=EXAMPLE,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 14}),
    )
    audience = forms.ModelChoiceField(
        Segment.objects.filter(is_retired=False).order_by("code"),
        label=gettext_lazy("Only members of this segment"),
        required=False,
    )
    minimum_seconds = forms.IntegerField(
        label=gettext_lazy("Least time to answer, in seconds"),
        min_value=0,
        max_value=600,
        initial=10,
    )
    closes_at = forms.DateTimeField(
        label=gettext_lazy("Closes"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def clean_questions(self) -> str:
        """Refuse a text that is no questionnaire, with the line and what was expected."""
        text: str = self.cleaned_data["questions"]
        try:
            questionnaire.parse(text)
        except NotAQuestionnaire as refusal:
            raise forms.ValidationError(str(refusal)) from None
        return text

    def clean_closes_at(self) -> Any:
        """Refuse a time that is over."""
        closes_at = self.cleaned_data["closes_at"]
        if closes_at is not None and closes_at <= timezone.now():
            raise forms.ValidationError(_("That time is over."))
        return closes_at


@admin.register(Survey)
class SurveyAdmin(ReadOnlyAdmin[Survey]):
    """Surveys with how many answered; a survey's page counts the answers."""

    list_display = ("code", "title", "answered", "audience", "opens_at", "closes_at", "created_by")
    list_filter = ("opens_at", ("closes_at", admin.EmptyFieldListFilter))
    list_select_related = ("audience", "program", "created_by")
    search_fields = ("code", "title")
    ordering = ("-opens_at", "-pk")
    list_before_template = "admin/campaigns/survey_new.html"
    change_form_outer_before_template = "admin/campaigns/survey_summary.html"

    @admin.display(description=gettext_lazy("answered"))
    def answered(self, survey: Any) -> int:
        """Return how many members answered."""
        found: int = survey.answered_count
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Survey]:
        return super().get_queryset(request).annotate(answered_count=Count("answers"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new), name="campaigns_survey_new"),
            path("<int:pk>/close/", view(require_POST(self.close)), name="campaigns_survey_close"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: Survey) -> dict[str, Any]:
        """Return the answers summed up, and whether the survey can be closed."""
        is_over = row.closes_at is not None and row.closes_at <= timezone.now()
        return {
            "survey": row,
            "summaries": _summaries(row),
            "can_close": not is_over and request.user.has_perm("campaigns.add_survey"),
        }

    def new(self, request: HttpRequest) -> HttpResponse:
        """Ask members something from now on."""
        user = staff_with(request, "campaigns.add_survey")
        form = SurveyAdminForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            moment = timezone.now()
            try:
                survey = surveys.make(
                    spec=SurveySpec(opens_at=moment, **form.cleaned_data), user=user, moment=moment
                )
            except DomainError as refusal:
                form.add_error("code", str(refusal))
            else:
                messages.success(request, _("The survey is open."))
                return redirect(reverse("admin:campaigns_survey_change", args=[survey.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("New survey"),
            "form": form,
            "answering": surveys.is_answered_by_rules(timezone.now()),
        }
        return TemplateResponse(request, "admin/campaigns/survey_form.html", context)

    def close(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask nobody any more."""
        staff_with(request, "campaigns.add_survey")
        surveys.close(survey=get_object_or_404(Survey, pk=pk), moment=timezone.now())
        messages.success(request, _("The survey is closed."))
        return redirect(reverse("admin:campaigns_survey_change", args=[pk]))


def _summaries(survey: Survey) -> list[Summary]:
    newest = survey.answers.exclude(answers={}).order_by("-answered_at", "-pk")
    answers = list(newest.values_list("answers", flat=True)[:ANSWERS_MAX])
    return [questionnaire.summary(each, answers) for each in questionnaire.parse(survey.questions)]


@admin.register(SurveyAnswer)
class SurveyAnswerAdmin(BooksAdmin[SurveyAnswer]):
    """Who answered what."""

    list_display = ("survey", "member", "answered_at")
    list_filter = ("survey",)
    list_select_related = ("survey", "member", "event")
    search_fields = ("member__number__exact",)
    search_help_text = gettext_lazy("A whole member number.")
    ordering = ("-answered_at", "-pk")
