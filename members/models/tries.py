"""Wrong guesses of members at what only its holder can know."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from members.models.people import Member


class WrongTries(models.Model):
    """How often in a row a member was wrong at one thing, and until when they have to wait."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="+", db_index=False)
    act = models.CharField(max_length=32, db_comment="What was tried, such as code.")
    wrong = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "wrong tries"
        constraints = [
            models.UniqueConstraint(fields=["member", "act"], name="members_wrongtries_one"),
            models.CheckConstraint(
                name="members_wrongtries_locked_after_some",
                condition=Q(locked_until__isnull=True) | Q(wrong__gt=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.act} of {self.member_id}"
