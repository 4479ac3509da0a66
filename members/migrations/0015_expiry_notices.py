"""Remember of which ends members were told."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the notices."""

    dependencies = [
        ("members", "0014_approvals"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExpiryNotice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "ends_at",
                    models.DateTimeField(
                        db_comment="First instant at which the points are of no use."
                    ),
                ),
                (
                    "days",
                    models.PositiveSmallIntegerField(
                        db_comment=(
                            "Which notice of the program file it was: so many days before the last"
                            " day."
                        )
                    ),
                ),
                (
                    "points",
                    models.BigIntegerField(
                        db_comment="What was about to end when the member was told."
                    ),
                ),
                ("told_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="expiry_notices",
                        to="members.ledgeraccount",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "ends_at", "days"), name="members_expirynotice_once"
                    )
                ],
            },
        ),
    ]
