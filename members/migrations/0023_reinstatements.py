"""Let staff give expired points back, each time for a reason and at most what expired."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"
GUARD = """
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_reinstatement
  FOR EACH ROW EXECUTE FUNCTION public.reinstatement_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_reinstatement EXECUTE FUNCTION public.refuse_change();
"""


class Migration(migrations.Migration):
    """Create what staff ask for, and the functions that post and judge it."""

    dependencies = [("members", "0022_points_orders")]

    operations = [
        migrations.CreateModel(
            name="Reinstatement",
            fields=[
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="reinstatement",
                        serialize=False,
                        to="members.approval",
                    ),
                ),
                (
                    "note",
                    models.TextField(
                        blank=True, db_comment="What the member reads beside the reason."
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        db_comment="First instant at which they are of no use again;"
                        " null is the days of grace.",
                        null=True,
                    ),
                ),
                (
                    "expiry",
                    models.ForeignKey(
                        db_comment="The transaction by which the points expired.",
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.ledgertransaction",
                    ),
                ),
                (
                    "reason",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.adjustmentreason",
                    ),
                ),
                (
                    "transaction",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reinstatement",
                        to="members.ledgertransaction",
                    ),
                ),
            ],
        ),
        run_sql_file(SQL / "reinstating.sql"),
        migrations.RunSQL(GUARD, reverse_sql=migrations.RunSQL.noop),
    ]
