"""Let staff correct dates of birth, once a year."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the corrections."""

    dependencies = [
        ("members", "0029_coupons_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="BirthDateChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("year", models.PositiveSmallIntegerField(db_comment="Of the program's calendar.")),
                ("why", models.CharField(max_length=200)),
                ("changed_at", models.DateTimeField()),
                (
                    "changed_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="birth_date_changes",
                        to="members.member",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("member", "year"),
                        name="members_birthdatechange_once_a_year",
                        violation_error_message="The date of birth was corrected this year already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("why", ""), _negated=True),
                        name="members_birthdatechange_why",
                    ),
                ],
            },
        ),
    ]
