"""Let the program write occasions down, and remember how far it has looked for them."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Widen the types of events, and add the marks."""

    dependencies = [
        ("campaigns", "0010_campaign_drafts"),
        ("members", "0025_tags_and_scores"),
    ]

    operations = [
        migrations.AlterField(
            model_name="event",
            name="type",
            field=models.CharField(
                db_comment="Of an occasion the trigger of its rules; its source is program.",
                max_length=96,
            ),
        ),
        migrations.CreateModel(
            name="OccasionMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("trigger", models.CharField(max_length=96)),
                ("noted_through", models.DateTimeField()),
                (
                    "member_reached",
                    models.BigIntegerField(
                        db_comment="Last member looked at for the calendar's next call of a rule.",
                        default=0,
                    ),
                ),
                (
                    "program",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.program",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("program", "trigger"), name="campaigns_occasionmark_one"
                    )
                ],
            },
        ),
    ]
