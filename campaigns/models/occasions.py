"""How far the program has looked for occasions."""

from __future__ import annotations

from django.db import models

from members.models import Program


class OccasionMark(models.Model):
    """Until when the occasions of a trigger are written down; the next look goes on from there."""

    program = models.ForeignKey(Program, models.PROTECT, related_name="+", db_index=False)
    trigger = models.CharField(max_length=96)
    noted_through = models.DateTimeField()
    member_reached = models.BigIntegerField(
        default=0, db_comment="Last member looked at for the calendar's next call of a rule."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["program", "trigger"], name="campaigns_occasionmark_one"
            ),
        ]

    def __str__(self) -> str:
        return self.trigger
