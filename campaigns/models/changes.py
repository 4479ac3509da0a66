"""What the program is going to take from members' points, told before it does."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from members.models import Program


class AnnouncedChange(models.Model):
    """A change that makes points worth less: when it was announced, and since when it holds.

    ``campaigns/sql/changes.sql`` holds that the program's notice has run before it does, and
    that what was announced never changes.
    """

    program = models.ForeignKey(Program, models.PROTECT, related_name="announced_changes")
    kind = models.CharField(max_length=16, db_comment="reward_price, expiry, threshold ...")
    code = models.CharField(max_length=64, db_comment="Of the reward, tier or points.")
    path = models.CharField(max_length=200, db_comment="Its place in the program's document.")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    notice_days = models.PositiveIntegerField(db_comment="The notice that the program owed.")
    announced_at = models.DateTimeField()
    effective_at = models.DateTimeField(db_comment="First instant at which it may hold.")
    taken_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program", "path"],
                condition=Q(taken_at__isnull=True, withdrawn_at__isnull=True),
                name="campaigns_announcedchange_one_open",
            ),
            models.CheckConstraint(
                name="campaigns_announcedchange_not_early",
                condition=Q(taken_at__isnull=True) | Q(taken_at__gte=F("effective_at")),
            ),
            models.CheckConstraint(
                name="campaigns_announcedchange_one_end",
                condition=Q(taken_at__isnull=True) | Q(withdrawn_at__isnull=True),
            ),
        ]
        indexes = [
            # Reader: the public list, newest first.
            models.Index(
                fields=["program", "-effective_at"], name="campaigns_announcedchange_list"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"
