"""Announce what makes points worth less before it does."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"
GUARD = """
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.campaigns_announcedchange
  FOR EACH ROW EXECUTE FUNCTION public.announced_change_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.campaigns_announcedchange EXECUTE FUNCTION public.refuse_change();
"""


class Migration(migrations.Migration):
    """Create the list of changes, and hold their notice."""

    dependencies = [
        ("campaigns", "0014_surveys"),
        ("members", "0026_wrong_tries"),
    ]

    operations = [
        migrations.CreateModel(
            name="AnnouncedChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        db_comment="reward_price, expiry, threshold ...", max_length=16
                    ),
                ),
                (
                    "code",
                    models.CharField(db_comment="Of the reward, tier or points.", max_length=64),
                ),
                (
                    "path",
                    models.CharField(
                        db_comment="Its place in the program's document.", max_length=200
                    ),
                ),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                (
                    "notice_days",
                    models.PositiveIntegerField(db_comment="The notice that the program owed."),
                ),
                ("announced_at", models.DateTimeField()),
                (
                    "effective_at",
                    models.DateTimeField(db_comment="First instant at which it may hold."),
                ),
                ("taken_at", models.DateTimeField(blank=True, null=True)),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                ("actor", models.CharField(blank=True, max_length=64)),
                (
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="announced_changes",
                        to="members.program",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["program", "-effective_at"], name="campaigns_announcedchange_list"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("taken_at__isnull", True), ("withdrawn_at__isnull", True)
                        ),
                        fields=("program", "path"),
                        name="campaigns_announcedchange_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("taken_at__isnull", True),
                            ("taken_at__gte", models.F("effective_at")),
                            _connector="OR",
                        ),
                        name="campaigns_announcedchange_not_early",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("taken_at__isnull", True),
                            ("withdrawn_at__isnull", True),
                            _connector="OR",
                        ),
                        name="campaigns_announcedchange_one_end",
                    ),
                ],
            },
        ),
        run_sql_file(SQL / "changes.sql"),
        migrations.RunSQL(GUARD, reverse_sql=migrations.RunSQL.noop),
    ]
