"""Let points come to many members at once."""

from pathlib import Path

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


GUARD = """
CREATE TRIGGER added AFTER INSERT ON public.members_pointbatchrow
  REFERENCING NEW TABLE AS newrows EXECUTE FUNCTION public.batch_rows_added();
CREATE TRIGGER judged BEFORE UPDATE ON public.members_pointbatchrow
  FOR EACH ROW EXECUTE FUNCTION public.batch_row_kept();
CREATE TRIGGER judged BEFORE UPDATE ON public.members_pointbatch
  FOR EACH ROW EXECUTE FUNCTION public.batch_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_pointbatch EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_pointbatchrow EXECUTE FUNCTION public.refuse_change();
"""


class Migration(migrations.Migration):
    """Create batches and their rows."""

    dependencies = [
        ("members", "0019_pending_waits"),
    ]

    operations = [
        migrations.CreateModel(
            name="PointBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("import", "opening balances"),
                            ("batch_credit", "points given"),
                            ("batch_debit", "points taken"),
                        ],
                        max_length=16,
                    ),
                ),
                ("name", models.CharField(db_comment="What the file was called.", max_length=120)),
                (
                    "digest",
                    models.CharField(
                        db_comment="SHA-256 of what the rows came from.", max_length=64
                    ),
                ),
                ("note", models.TextField(blank=True, db_comment="What every member of it reads.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("checked", "checked"),
                            ("requested", "waiting"),
                            ("posting", "being posted"),
                            ("posted", "posted"),
                            ("reversing", "being reversed"),
                            ("reversed", "reversed"),
                            ("discarded", "discarded"),
                        ],
                        default="checked",
                        max_length=16,
                    ),
                ),
                (
                    "is_into_debt",
                    models.BooleanField(
                        db_comment="Whether a reversal makes debt of what is not there any more.",
                        default=False,
                    ),
                ),
                ("row_count", models.PositiveIntegerField(default=0)),
                (
                    "refused_count",
                    models.PositiveIntegerField(
                        db_comment="Rows that the check refused.", default=0
                    ),
                ),
                (
                    "points",
                    models.BigIntegerField(
                        db_comment="Sum of the rows that were not refused.", default=0
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "approval",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="batch",
                        to="members.approval",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "currency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.pointcurrency",
                    ),
                ),
                (
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.program",
                    ),
                ),
                (
                    "reason",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.adjustmentreason",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "point batches",
            },
        ),
        migrations.CreateModel(
            name="PointBatchRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("line", models.PositiveIntegerField(db_comment="Line of the file, from 1.")),
                ("points", models.BigIntegerField(default=0)),
                ("earned_at", models.DateTimeField(blank=True, null=True)),
                ("available_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("tier_until", models.DateTimeField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ready", "ready"),
                            ("refused", "refused"),
                            ("posted", "posted"),
                            ("reversed", "reversed"),
                        ],
                        default="ready",
                        max_length=16,
                    ),
                ),
                (
                    "problem",
                    models.CharField(
                        blank=True,
                        db_comment="Column and what was expected; never what stood.",
                        max_length=200,
                    ),
                ),
                (
                    "kept_points",
                    models.BigIntegerField(
                        blank=True, db_comment="What a reversal did not find any more.", null=True
                    ),
                ),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rows",
                        to="members.pointbatch",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.member",
                    ),
                ),
                (
                    "reversal",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.ledgertransaction",
                    ),
                ),
                (
                    "tier",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.tier",
                    ),
                ),
                (
                    "transaction",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="batch_row",
                        to="members.ledgertransaction",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="pointbatch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["discarded", "reversed"]), _negated=True),
                fields=("digest", "kind", "currency"),
                name="members_pointbatch_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointbatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approval__isnull", True), ("state__in", ["checked", "discarded"])),
                    models.Q(
                        ("approval__isnull", False), models.Q(("state", "checked"), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="members_pointbatch_approved",
            ),
        ),
        migrations.AddIndex(
            model_name="pointbatchrow",
            index=models.Index(
                fields=["batch", "state", "line"], name="members_pointbatchrow_state"
            ),
        ),
        migrations.AddConstraint(
            model_name="pointbatchrow",
            constraint=models.UniqueConstraint(
                fields=("batch", "line"), name="members_pointbatchrow_line"
            ),
        ),
        migrations.AddConstraint(
            model_name="pointbatchrow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "refused"),
                    models.Q(
                        ("earned_at__isnull", False), ("member__isnull", False), ("points__gte", 0)
                    ),
                    _connector="OR",
                ),
                name="members_pointbatchrow_whole",
            ),
        ),
        run_sql_file(SQL / "batches.sql"),
        migrations.RunSQL(GUARD, reverse_sql=migrations.RunSQL.noop),
    ]
