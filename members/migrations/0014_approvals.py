"""Let staff move points by hand, large acts with a second person."""

from pathlib import Path

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file


SQL = Path(__file__).parents[1] / "sql"
GUARD = """
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_approval
  FOR EACH ROW EXECUTE FUNCTION public.approval_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_approval EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER judged BEFORE UPDATE ON public.members_adjustment
  FOR EACH ROW EXECUTE FUNCTION public.adjustment_kept();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_adjustment EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER counted_by_approvals BEFORE INSERT OR UPDATE ON public.members_staffday
  WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_staffday EXECUTE FUNCTION public.refuse_change();
"""
# What a shop can begin with; staff change the texts and add others in the admin.
REASONS = """
INSERT INTO public.members_adjustmentreason (code, direction, text, is_retired) VALUES
  ('goodwill', 'credit', '{"en": "A gesture of goodwill", "ru": "Жест доброй воли"}', false),
  ('missing-purchase', 'credit',
   '{"en": "Points of a purchase that was not counted", "ru": "Баллы за неучтённую покупку"}',
   false),
  ('service', 'credit',
   '{"en": "Something went wrong on our side", "ru": "Ошибка с нашей стороны"}', false),
  ('correction', 'both', '{"en": "A correction", "ru": "Исправление"}', false),
  ('misuse', 'debit',
   '{"en": "Points taken off after a check", "ru": "Баллы сняты после проверки"}', false);
"""


class Migration(migrations.Migration):
    """Create approvals, their limits and evidence, and adjustments with their reasons."""

    dependencies = [
        ("members", "0013_grace_ends"),
    ]

    operations = [
        migrations.CreateModel(
            name="Approval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "act",
                    models.CharField(
                        db_comment="What is to be done: adjustment, write_off, import ...",
                        max_length=32,
                    ),
                ),
                (
                    "points",
                    models.BigIntegerField(
                        db_comment="Points that move, above zero; a sum for a batch."
                    ),
                ),
                ("is_credit", models.BooleanField(db_comment="Whether members gain them.")),
                (
                    "limit_points",
                    models.BigIntegerField(
                        db_comment="What one person may do alone, when it was asked; set by the database.",
                        default=0,
                        editable=False,
                    ),
                ),
                (
                    "why",
                    models.TextField(
                        blank=True, db_comment="For staff; emptied when the member is erased."
                    ),
                ),
                (
                    "answer",
                    models.TextField(blank=True, db_comment="What the second person said to it."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "waiting"),
                            ("approved", "approved"),
                            ("posted", "posted"),
                            ("rejected", "rejected"),
                            ("reversed", "reversed"),
                        ],
                        default="requested",
                        max_length=16,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("posted_at", models.DateTimeField(blank=True, null=True)),
                ("reversed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "currency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.pointcurrency",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        blank=True,
                        db_comment="Whose points move; empty for an act upon many members.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approvals",
                        to="members.member",
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
                    "requested_by",
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
                    "reversed_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AdjustmentReason",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=32, unique=True, verbose_name="code")),
                (
                    "direction",
                    models.CharField(
                        choices=[
                            ("credit", "credit"),
                            ("debit", "debit"),
                            ("both", "credit and debit"),
                        ],
                        max_length=8,
                        verbose_name="direction",
                    ),
                ),
                (
                    "text",
                    models.JSONField(
                        db_comment="What the member reads, per language.",
                        verbose_name="text for members",
                    ),
                ),
                ("is_retired", models.BooleanField(default=False, verbose_name="retired")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("direction__in", ["credit", "debit", "both"])),
                        name="members_adjustmentreason_direction",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ApprovalPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "points_alone",
                    models.BigIntegerField(
                        db_comment="Largest act, in points, that needs no second person.",
                        default=1000,
                        help_text="An act of more points needs a second person.",
                        verbose_name="points alone",
                    ),
                ),
                (
                    "points_daily",
                    models.BigIntegerField(
                        db_comment="Largest sum, in points, of what one person does alone in a local day.",
                        default=10000,
                        help_text="What one person may move alone in a day of the program.",
                        verbose_name="points a day",
                    ),
                ),
                (
                    "currency",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approval_policy",
                        to="members.pointcurrency",
                        verbose_name="currency",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "approval policies",
            },
        ),
        migrations.CreateModel(
            name="Evidence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=120)),
                ("content_type", models.CharField(max_length=64)),
                ("content", models.BinaryField()),
                ("size", models.PositiveIntegerField(db_comment="Bytes.")),
                ("added_at", models.DateTimeField()),
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="members.approval",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "evidence",
            },
        ),
        migrations.CreateModel(
            name="StaffDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("points", models.BigIntegerField()),
                (
                    "points_max",
                    models.BigIntegerField(db_comment="The cap when the latest was counted."),
                ),
                (
                    "currency",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.pointcurrency",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="adjustment",
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
                        db_comment="First instant at which a credit is of no use.",
                        null=True,
                    ),
                ),
                (
                    "is_within_balance",
                    models.BooleanField(
                        db_comment="Whether a debit takes what is there instead of being refused.",
                        default=False,
                    ),
                ),
                (
                    "moved_points",
                    models.BigIntegerField(
                        blank=True,
                        db_comment="What moved, where a debit took what was there.",
                        null=True,
                    ),
                ),
                (
                    "kept_points",
                    models.BigIntegerField(
                        blank=True,
                        db_comment="What a reversal of a credit did not find any more.",
                        null=True,
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
                    "transaction",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjustment",
                        to="members.ledgertransaction",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(fields=["state", "-requested_at"], name="members_approval_waiting"),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(("points__gt", 0)), name="members_approval_points"
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(("requested_by__isnull", False)), name="members_approval_asked"
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by__isnull", True),
                    ("state", "rejected"),
                    models.Q(("decided_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="members_approval_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["requested", "rejected"]),
                    ("decided_by__isnull", False),
                    ("points__lte", models.F("limit_points")),
                    _connector="OR",
                ),
                name="members_approval_above_limit",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("decided_at__isnull", True),
                        ("decided_by__isnull", True),
                        models.Q(("state__in", ["approved", "rejected"]), _negated=True),
                    ),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        models.Q(("state", "requested"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="members_approval_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("posted_at__isnull", False), ("state__in", ["posted", "reversed"])),
                    models.Q(
                        ("posted_at__isnull", True),
                        models.Q(("state__in", ["posted", "reversed"]), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="members_approval_posted",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("reversed_at__isnull", False),
                        ("reversed_by__isnull", False),
                        ("state", "reversed"),
                    ),
                    models.Q(
                        ("reversed_at__isnull", True),
                        ("reversed_by__isnull", True),
                        models.Q(("state", "reversed"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="members_approval_reversed",
            ),
        ),
        migrations.AddConstraint(
            model_name="approvalpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("points_alone__gte", 0), ("points_daily__gte", 0)),
                name="members_approvalpolicy_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("content_type__in", ["application/pdf", "image/png", "image/jpeg"])
                ),
                name="members_evidence_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__gt", 0), ("size__lte", 2097152)),
                name="members_evidence_size",
            ),
        ),
        migrations.AddConstraint(
            model_name="staffday",
            constraint=models.UniqueConstraint(
                fields=("user", "currency", "day"), name="members_staffday_one"
            ),
        ),
        migrations.AddConstraint(
            model_name="staffday",
            constraint=models.CheckConstraint(
                condition=models.Q(("points__lte", models.F("points_max"))),
                name="members_staffday_within",
            ),
        ),
        run_sql_file(SQL / "approvals.sql"),
        migrations.RunSQL(GUARD, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(REASONS, reverse_sql=migrations.RunSQL.noop),
    ]
