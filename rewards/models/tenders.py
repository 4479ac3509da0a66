"""Redemptions that paid a part of an order."""

from __future__ import annotations

from django.db import models

from members.models import Purchase
from rewards.models.redemptions import Redemption


class PointsTender(models.Model):
    """A redemption that paid a part of a purchase; what comes back gives its points back."""

    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="points_tenders")
    redemption = models.ForeignKey(
        Redemption, models.PROTECT, related_name="tenders", db_index=False
    )
    amount = models.DecimalField(
        max_digits=16, decimal_places=4, db_comment="What it paid, in the purchase's money."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["redemption"],
                name="rewards_pointstender_once",
                violation_error_message="A redemption pays one order.",
            ),
            models.CheckConstraint(
                name="rewards_pointstender_not_negative", condition=models.Q(amount__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of {self.purchase_id}"
