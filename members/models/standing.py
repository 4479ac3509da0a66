"""What is known of a member beside their profile: tags, and figures computed about them."""

from __future__ import annotations

from typing import Final

from django.db import models
from django.db.models import Q

from members.models.people import Member

TAG_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]*$"


class MemberTag(models.Model):
    """A word that staff or a rule put on a member, for a while or for good.

    ``members/services/tags.py`` writes it. The rows of a member who was merged stay with the
    merged row and count for the survivor.
    """

    member = models.ForeignKey(Member, models.PROTECT, related_name="tags", db_index=False)
    tag = models.CharField(max_length=64)
    actor = models.CharField(max_length=64, db_comment="Key of staff or code of a rule.")
    tagged_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        null=True, blank=True, db_comment="The first instant without the tag; null is for good."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "tag"], name="members_membertag_once"),
            # Personal data has no room in a word of this shape, and conditions name it exactly.
            models.CheckConstraint(
                name="members_membertag_is_a_word", condition=Q(tag__regex=TAG_PATTERN)
            ),
            models.CheckConstraint(
                name="members_membertag_ends_after_its_start",
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=models.F("tagged_at")),
            ),
        ]
        indexes = [
            # Reader: the admin's list of those who carry a tag.
            models.Index(fields=["tag", "member"], name="members_membertag_bearers"),
            # Reader: the job that removes what has ended.
            models.Index(
                fields=["expires_at"],
                condition=Q(expires_at__isnull=False),
                name="members_membertag_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tag} on {self.member_id}"


class MemberScore(models.Model):
    """The latest of a figure about a member, such as their stage or their group of RFM.

    A figure is a word in ``text``, a number in ``value``, or both. Whoever computes it writes it
    here, so that conditions and pages of any app can read it.
    """

    member = models.ForeignKey(Member, models.PROTECT, related_name="scores", db_index=False)
    code = models.SlugField(max_length=32, db_index=False)
    value = models.DecimalField(max_digits=18, decimal_places=6, null=True, blank=True)
    text = models.CharField(max_length=32, blank=True)
    computed_at = models.DateTimeField(
        db_comment="Since when the figure is this one; the same figure is not written again."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "code"], name="members_memberscore_once"),
            models.CheckConstraint(
                name="members_memberscore_says_something",
                condition=Q(value__isnull=False) | ~Q(text=""),
            ),
        ]
        indexes = [
            # Reader: the admin's list and counts of those with a word.
            models.Index(fields=["code", "text", "member"], name="members_memberscore_words"),
        ]

    def __str__(self) -> str:
        return f"{self.code} of {self.member_id}"


class ScoreMove(models.Model):
    """That a member's word changed, once for each change; written with the score itself.

    Empty is what was not known before, or is not any more. Nothing ever changes a row; erasure
    removes those of its member.
    """

    member = models.ForeignKey(Member, models.PROTECT, related_name="score_moves", db_index=False)
    code = models.SlugField(max_length=32, db_index=False)
    text_before = models.CharField(max_length=32, blank=True)
    text_after = models.CharField(max_length=32, blank=True)
    moved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="members_scoremove_moves", condition=~Q(text_before=models.F("text_after"))
            ),
        ]
        indexes = [
            # Reader: what happened to a member, newest first.
            models.Index(fields=["member", "-id"], name="members_scoremove_of_member"),
            # Reader: whoever acts on changes and goes on from the last one that it saw.
            models.Index(fields=["code", "id"], name="members_scoremove_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.code} of {self.member_id}: {self.text_before} to {self.text_after}"
