"""Count what of a redemption was held, captured and given back."""

from django.db import migrations, models

# Until now a hold was captured, and a redemption given back, as a whole.
FILL = """
UPDATE rewards_redemption SET
  held_quantity = CASE WHEN hold_id IS NOT NULL THEN quantity END,
  points_given_back = CASE WHEN state = 'cancelled' AND debit_id IS NOT NULL
    THEN points ELSE 0 END
WHERE hold_id IS NOT NULL OR state = 'cancelled'
"""


class Migration(migrations.Migration):
    """Add the figures, fill them for what is there, and hold them to what they mean."""

    dependencies = [
        ("members", "0009_moves"),
        ("rewards", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="redemption",
            name="held_quantity",
            field=models.PositiveIntegerField(
                blank=True,
                db_comment="Pieces that were held first; null without a hold.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="redemption",
            name="points_given_back",
            field=models.BigIntegerField(
                db_comment="Of the points paid, by returns and by a cancellation.", default=0
            ),
        ),
        migrations.AlterField(
            model_name="redemption",
            name="points",
            field=models.BigIntegerField(db_comment="The price of the pieces."),
        ),
        migrations.AlterField(
            model_name="redemption",
            name="quantity",
            field=models.PositiveIntegerField(
                db_comment="Pieces; after a capture of a part those that were captured."
            ),
        ),
        migrations.RunSQL(FILL, reverse_sql=migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("held_quantity__isnull", True), ("hold__isnull", True)),
                    models.Q(("held_quantity__gte", models.F("quantity")), ("hold__isnull", False)),
                    _connector="OR",
                ),
                name="rewards_redemption_of_held_pieces",
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("points_given_back__gte", 0), ("points_given_back__lte", models.F("points"))
                ),
                name="rewards_redemption_given_back_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "cancelled"), _negated=True),
                    ("debit__isnull", True),
                    ("points_given_back", models.F("points")),
                    _connector="OR",
                ),
                name="rewards_redemption_cancelled_as_a_whole",
            ),
        ),
    ]
