"""Wrong guesses of members, counted."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Create what the module names."""

    dependencies = [
        ("members", "0025_tags_and_scores"),
    ]

    operations = [
        migrations.CreateModel(
            name="WrongTries",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "act",
                    models.CharField(db_comment="What was tried, such as code.", max_length=32),
                ),
                ("wrong", models.PositiveSmallIntegerField(default=0)),
                ("locked_until", models.DateTimeField(blank=True, null=True)),
                ("changed_at", models.DateTimeField()),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="members.member",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "wrong tries",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("member", "act"), name="members_wrongtries_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("locked_until__isnull", True), ("wrong__gt", 0), _connector="OR"
                        ),
                        name="members_wrongtries_locked_after_some",
                    ),
                ],
            },
        ),
    ]
