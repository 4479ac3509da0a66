"""A survey as a form: one field for each question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from campaigns.questionnaire import TEXT_MAX, Question


class SurveyForm(forms.Form):
    """The questions of one survey, and when they were shown."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=254)

    def __init__(self, *args: Any, questions: Sequence[Question], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._questions = questions
        for question in questions:
            self.fields[question.code] = field_of(question)

    @property
    def answers(self) -> dict[str, Any]:
        """Return what was answered, by question; what was left out is not in it."""
        given = {each.code: self.cleaned_data.get(each.code) for each in self._questions}
        return {code: value for code, value in given.items() if value not in (None, "", [])}


def field_of(question: Question) -> forms.Field:
    """Return the field in which a question is answered."""
    told: dict[str, Any] = {"label": question.text, "required": not question.is_optional}
    choices = [(choice, choice) for choice in question.choices]
    if question.kind == "one":
        return forms.ChoiceField(choices=choices, widget=forms.RadioSelect, **told)
    if question.kind == "many":
        return forms.MultipleChoiceField(
            choices=choices, widget=forms.CheckboxSelectMultiple, **told
        )
    if question.kind == "scale":
        figures = [(str(n), str(n)) for n in range(question.low, question.high + 1)]
        return forms.ChoiceField(
            choices=figures,
            widget=forms.RadioSelect({"class": "in-a-row"}),
            help_text=_("%(low)s is the least, %(high)s the most.")
            % {"low": question.low, "high": question.high},
            **told,
        )
    return forms.CharField(
        max_length=TEXT_MAX, widget=forms.Textarea({"rows": 3, "maxlength": TEXT_MAX}), **told
    )
