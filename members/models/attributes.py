"""What the program asks about members beside the profile, and what they answered."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from members.models.people import Member
from members.models.program import Program


class AttributeDefinition(models.Model):
    """One thing that is asked, with the kind of its answers; the program file declares it."""

    class Kind(models.TextChoices):
        """What an answer is."""

        TEXT = "text"
        NUMBER = "number"
        DATE = "date"
        BOOL = "bool"
        CHOICE = "choice"
        MULTI = "multi"

    program = models.ForeignKey(Program, models.PROTECT, related_name="attributes")
    code = models.SlugField(max_length=64)
    name = models.JSONField(default=dict, db_comment="Name per language.")
    kind = models.CharField(max_length=8, choices=Kind)
    choices = models.JSONField(
        default=list, blank=True, db_comment="[{code, name per language}] of choice and multi."
    )
    is_personal = models.BooleanField(
        default=False, db_comment="Its values stand in no history, and no rule writes them."
    )
    is_member_editable = models.BooleanField(default=False)
    position = models.PositiveSmallIntegerField(default=0)
    is_retired = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program", "code"], name="members_attributedefinition_code"
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def codes(self) -> list[str]:
        """Return the codes of the choices, in their order."""
        return [each["code"] for each in self.choices]


class MemberAttribute(models.Model):
    """A member's answer, in the column of its kind; dates and choices are texts.

    ``members/services/attributes.py`` writes it with its history.
    """

    member = models.ForeignKey(
        Member, models.PROTECT, related_name="attribute_values", db_index=False
    )
    definition = models.ForeignKey(AttributeDefinition, models.PROTECT, related_name="values")
    text = models.CharField(max_length=500, blank=True, default="")
    number = models.DecimalField(max_digits=16, decimal_places=4, null=True, blank=True)
    flag = models.BooleanField(null=True, blank=True)
    texts = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    actor = models.CharField(max_length=64, db_comment="Who gave it last.")
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["member", "definition"], name="members_memberattribute_once"
            ),
            models.CheckConstraint(
                name="members_memberattribute_in_one_column",
                condition=Q(number=None, flag=None, texts=[]) & ~Q(text="")
                | Q(text="", flag=None, texts=[], number__isnull=False)
                | Q(text="", number=None, texts=[], flag__isnull=False)
                | Q(text="", number=None, flag=None) & ~Q(texts=[]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.definition_id} of {self.member_id}"


class AttributeChange(models.Model):
    """That an answer changed, when and by whom; erasure removes the rows.

    ``before`` and ``after`` are null where there was none, and for what is personal.
    """

    member = models.ForeignKey(Member, models.PROTECT, related_name="attribute_changes")
    definition = models.ForeignKey(
        AttributeDefinition, models.PROTECT, related_name="+", db_index=False
    )
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    actor = models.CharField(max_length=64)
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.definition_id} of {self.member_id}"
