"""Keep what drafts would have done on the real history."""

from pathlib import Path

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"

GUARD = """
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON public.campaigns_backtest
  FOR EACH ROW EXECUTE FUNCTION public.backtest_kept();
CREATE TRIGGER kept_whole BEFORE TRUNCATE ON public.campaigns_backtest
  EXECUTE FUNCTION public.backtest_kept();
"""
UNDO = """
DROP TRIGGER IF EXISTS kept ON public.campaigns_backtest;
DROP TRIGGER IF EXISTS kept_whole ON public.campaigns_backtest;
"""


class Migration(migrations.Migration):
    """Create the table and its guard."""

    dependencies = [
        ("campaigns", "0011_occasions"),
        ("members", "0025_tags_and_scores"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Backtest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("name", models.CharField(blank=True, default="", max_length=200)),
                ("draft", models.JSONField(db_comment="The draft program in canonical form.")),
                (
                    "draft_digest",
                    models.CharField(db_comment="SHA-256 of what the draft says.", max_length=64),
                ),
                (
                    "live_digest",
                    models.CharField(
                        db_comment="SHA-256 of the program that it was compared with.",
                        max_length=64,
                    ),
                ),
                ("seed", models.PositiveIntegerField(db_comment="Of the draws behind the ranges.")),
                ("requested_at", models.DateTimeField()),
                (
                    "starts_at",
                    models.DateTimeField(
                        blank=True,
                        db_comment="From when the draft holds; null from the beginning.",
                        null=True,
                    ),
                ),
                ("ends_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "members",
                    models.PositiveIntegerField(db_comment="Members with a history.", default=0),
                ),
                (
                    "done",
                    models.PositiveIntegerField(db_comment="Members replayed so far.", default=0),
                ),
                (
                    "extent",
                    models.JSONField(
                        blank=True,
                        db_comment="How far the history reached: counts, newest rows.",
                        default=dict,
                    ),
                ),
                ("extent_digest", models.CharField(blank=True, default="", max_length=64)),
                (
                    "figures",
                    models.JSONField(
                        blank=True, db_comment="The report; empty before.", default=dict
                    ),
                ),
                ("failure", models.TextField(blank=True, default="")),
                (
                    "program",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.program",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["draft_digest", "-id"], name="campaigns_backtest_of_draft")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("starts_at__isnull", True),
                            ("starts_at__lt", models.F("ends_at")),
                            _connector="OR",
                        ),
                        name="campaigns_backtest_window",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("finished_at__isnull", True),
                            ("started_at__isnull", False),
                            _connector="OR",
                        ),
                        name="campaigns_backtest_finished_after_start",
                    ),
                ],
            },
        ),
        run_sql_file(SQL / "trials.sql"),
        migrations.RunSQL(GUARD, UNDO),
    ]
