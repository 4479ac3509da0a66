"""Surveys, and what members answered."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from campaigns.models.awards import Event
from members.models import Member, Program, Segment, User


class Survey(models.Model):
    """Questions to members; what an answer is worth is said by rules of ``event:survey``."""

    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.SlugField(
        max_length=64, db_comment="What rules know the survey by: event.payload.survey."
    )
    title = models.CharField(max_length=150)
    intro = models.CharField(max_length=500, blank=True, default="")
    questions = models.TextField(db_comment="As staff wrote them; campaigns/questionnaire.py.")
    audience = models.ForeignKey(
        Segment, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    minimum_seconds = models.PositiveSmallIntegerField(
        default=0, db_comment="Whoever answers sooner has not read the questions."
    )
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "program"], name="campaigns_survey_code"),
            models.CheckConstraint(
                name="campaigns_survey_window",
                condition=Q(closes_at__isnull=True) | Q(closes_at__gte=F("opens_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class SurveyAnswer(models.Model):
    """What one member answered, once. Personal: emptied when the member is erased."""

    survey = models.ForeignKey(Survey, models.PROTECT, related_name="answers", db_index=False)
    member = models.ForeignKey(Member, models.PROTECT, related_name="+")
    answers = models.JSONField(default=dict)
    answered_at = models.DateTimeField()
    event = models.OneToOneField(
        Event, models.PROTECT, null=True, blank=True, related_name="survey_answer"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["survey", "member"], name="campaigns_surveyanswer_one"),
        ]

    def __str__(self) -> str:
        return f"{self.survey_id} by {self.member_id}"
