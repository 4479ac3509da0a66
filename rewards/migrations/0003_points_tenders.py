"""Redemptions that paid a part of an order."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the tenders of points."""

    dependencies = [
        ("members", "0009_moves"),
        ("rewards", "0002_parts_of_redemptions"),
    ]

    operations = [
        migrations.CreateModel(
            name="PointsTender",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        db_comment="What it paid, in the purchase's money.",
                        decimal_places=4,
                        max_digits=16,
                    ),
                ),
                (
                    "purchase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="points_tenders",
                        to="members.purchase",
                    ),
                ),
                (
                    "redemption",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tenders",
                        to="rewards.redemption",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("redemption",),
                        name="rewards_pointstender_once",
                        violation_error_message="A redemption pays one order.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0)),
                        name="rewards_pointstender_not_negative",
                    ),
                ],
            },
        ),
    ]
