"""Two rows of one person can become one, and be taken apart again."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
import uuid
from pathlib import Path
from django.conf import settings
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file


SQL = Path(__file__).parents[1] / "sql"

TRIGGERS = """
-- Rows are also written by plain SQL, which knows nothing of a later column.
ALTER TABLE public.members_member ALTER COLUMN absorbed SET DEFAULT '{}';
CREATE TRIGGER merged BEFORE INSERT OR UPDATE OF merged_into_id ON public.members_member
  FOR EACH ROW EXECUTE FUNCTION public.members_merged();
CREATE TRIGGER undone_once BEFORE UPDATE ON public.members_membermerge
  FOR EACH ROW EXECUTE FUNCTION public.merges_changed();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON public.members_membermerge
  EXECUTE FUNCTION public.refuse_change();
"""


class Migration(migrations.Migration):
    """Keep who went into whom."""

    dependencies = [
        ("members", "0020_batches"),
    ]

    operations = [
        migrations.CreateModel(
            name="MemberMerge",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "tier",
                    models.CharField(choices=[("higher", "Higher"), ("own", "Own")], max_length=8),
                ),
                (
                    "vouchers",
                    models.CharField(
                        choices=[("keep", "Keep"), ("cancel", "Cancel")], max_length=8
                    ),
                ),
                (
                    "reason",
                    models.CharField(db_comment="Why; never anything personal.", max_length=200),
                ),
                (
                    "moved",
                    models.JSONField(
                        db_comment="What an undoing gives back: identifiers and logins by row, points by currency.",
                        default=dict,
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="MergeCandidate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "score",
                    models.PositiveSmallIntegerField(
                        db_comment="From 0 to 100: how much speaks for it."
                    ),
                ),
                (
                    "reasons",
                    models.JSONField(db_comment="Codes of what speaks for it.", default=list),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("dismissed", "Dismissed"),
                            ("merged", "Merged"),
                        ],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("found_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddField(
            model_name="member",
            name="absorbed",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                blank=True,
                db_comment="The rows that went into this one: their purchases and status points count.",
                default=list,
                editable=False,
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="member",
            name="merged_into",
            field=models.ForeignKey(
                blank=True,
                db_comment="Whom this row went into; never a merged member itself.",
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="members.member",
            ),
        ),
        migrations.AlterField(
            model_name="member",
            name="status",
            field=models.CharField(
                choices=[
                    ("active", "Active"),
                    ("suspended", "Suspended"),
                    ("closed", "Closed"),
                    ("merged", "Merged"),
                    ("erased", "Erased"),
                ],
                default="active",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(
                condition=models.Q(("absorbed", []), _negated=True),
                fields=["id"],
                name="members_member_absorbing",
            ),
        ),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(
                django.db.models.functions.text.Lower("last_name"),
                django.db.models.functions.text.Lower("first_name"),
                condition=models.Q(("last_name", ""), _negated=True),
                name="members_member_names",
            ),
        ),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(
                condition=models.Q(("birth_date__isnull", False)),
                fields=["birth_date"],
                name="members_member_birth_date",
            ),
        ),
        migrations.AddIndex(
            model_name="member",
            index=models.Index(fields=["changed_at"], name="members_member_changed"),
        ),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("status", "merged"), _negated=True), ("merged_into__isnull", True)
                    ),
                    models.Q(
                        ("status__in", ["merged", "erased"]),
                        ("merged_into__isnull", False),
                        ("user__isnull", True),
                        models.Q(("merged_into", models.F("id")), _negated=True),
                        ("absorbed", []),
                    ),
                    _connector="OR",
                ),
                name="members_member_merged_into_another",
            ),
        ),
        migrations.AddField(
            model_name="membermerge",
            name="made_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="membermerge",
            name="merged",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="merged_by",
                to="members.member",
            ),
        ),
        migrations.AddField(
            model_name="membermerge",
            name="survivor",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="merges",
                to="members.member",
            ),
        ),
        migrations.AddField(
            model_name="membermerge",
            name="undone_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="mergecandidate",
            name="decided_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="mergecandidate",
            name="first",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="members.member"
            ),
        ),
        migrations.AddField(
            model_name="mergecandidate",
            name="program",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="members.program"
            ),
        ),
        migrations.AddField(
            model_name="mergecandidate",
            name="second",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="members.member"
            ),
        ),
        migrations.AddConstraint(
            model_name="membermerge",
            constraint=models.CheckConstraint(
                condition=models.Q(("survivor", models.F("merged")), _negated=True),
                name="members_membermerge_of_two",
            ),
        ),
        migrations.AddConstraint(
            model_name="membermerge",
            constraint=models.UniqueConstraint(
                condition=models.Q(("undone_at__isnull", True)),
                fields=("merged",),
                name="members_membermerge_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="membermerge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("undone_at__isnull", True),
                    ("undone_at__gte", models.F("made_at")),
                    _connector="OR",
                ),
                name="members_membermerge_undone_later",
            ),
        ),
        migrations.AddIndex(
            model_name="mergecandidate",
            index=models.Index(
                fields=["state", "-score", "id"], name="members_mergecandidate_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="mergecandidate",
            constraint=models.UniqueConstraint(
                fields=("first", "second"), name="members_mergecandidate_pair"
            ),
        ),
        migrations.AddConstraint(
            model_name="mergecandidate",
            constraint=models.CheckConstraint(
                condition=models.Q(("first__lt", models.F("second"))),
                name="members_mergecandidate_ordered",
            ),
        ),
        run_sql_file(SQL / "merging.sql"),
        migrations.RunSQL(TRIGGERS, reverse_sql=migrations.RunSQL.noop),
    ]
