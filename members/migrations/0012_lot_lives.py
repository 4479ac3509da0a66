"""Let lots be renewed by what their member does, and wait for something other than a date."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"

# The files' functions come after the migrations; these have other arguments now.
DROPPED = """
DROP FUNCTION IF EXISTS public.ledger_activate(bigint, timestamptz, timestamptz, text);
"""
# The function of posting.sql, which the functions of renewals.sql call; it is replaced after the
# migrations by the file's.
DAY_START = """
CREATE OR REPLACE FUNCTION public.ledger_day_start(p_day date, p_timezone text)
  RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT p_day::timestamp AT TIME ZONE p_timezone $$;
"""


class Migration(migrations.Migration):
    """Add what a lot's end and its becoming available follow from."""

    dependencies = [("members", "0011_parts_of_holds")]

    operations = [
        migrations.AddField(
            model_name="ledgeraccount",
            name="active_on",
            field=models.DateField(
                db_comment=(
                    "Program-local day of the latest act that renews lots; moved by its trigger."
                ),
                editable=False,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="pointlot",
            name="renew_months",
            field=models.SmallIntegerField(
                blank=True,
                db_comment=(
                    "Months that the lot lasts at least after a renewing act; null is not renewed."
                ),
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="pointlot",
            name="waits_for",
            field=models.CharField(
                blank=True,
                db_comment=(
                    "What makes the points available before available_at: event:TYPE or approval."
                ),
                db_default="",
                default="",
                max_length=80,
            ),
        ),
        migrations.CreateModel(
            name="LedgerActivity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(db_comment="Program-local day of occurred_at.")),
                (
                    "act",
                    models.CharField(
                        db_comment="purchase, redemption or event:TYPE.", max_length=80
                    ),
                ),
                ("occurred_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="activity",
                        to="members.ledgeraccount",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "ledger activity",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "day"), name="members_ledgeractivity_once_a_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("occurred_at__lte", models.F("recorded_at"))),
                        name="members_ledgeractivity_not_ahead",
                    ),
                ],
            },
        ),
        migrations.RunSQL(DROPPED + DAY_START, reverse_sql=migrations.RunSQL.noop),
        run_sql_file(SQL / "renewals.sql"),
    ]
