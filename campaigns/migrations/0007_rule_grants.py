"""Keep what rules give beside points, and what returns do with it."""

import django.contrib.postgres.fields
import django.db.models.deletion
import uuid
from django.db import migrations, models


GUARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.campaigns_rulegrant EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.campaigns_rulegrantreversal EXECUTE FUNCTION public.refuse_change();
"""
UNDO = """
DROP TRIGGER IF EXISTS append_only ON public.campaigns_rulegrant;
DROP TRIGGER IF EXISTS append_only ON public.campaigns_rulegrantreversal;
"""


class Migration(migrations.Migration):
    """Create the tables and their guards."""

    dependencies = [
        ("campaigns", "0006_answers_as_json"),
        ("members", "0024_partners"),
    ]

    operations = [
        migrations.CreateModel(
            name="RuleGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "effect",
                    models.PositiveSmallIntegerField(
                        db_comment="Position among the rule's effects."
                    ),
                ),
                ("kind", models.CharField(max_length=32)),
                ("text", models.CharField(max_length=500)),
                ("given", models.JSONField(blank=True, default=dict)),
                (
                    "line_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        db_comment="Lines that earned it; empty is the whole purchase.",
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "limit_uses",
                    models.JSONField(
                        blank=True,
                        db_comment="Counters that it used, released by returns.",
                        default=list,
                    ),
                ),
                ("occurred_at", models.DateTimeField()),
                ("recorded_at", models.DateTimeField()),
                (
                    "event",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="campaigns.event",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="members.member",
                    ),
                ),
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
                    "purchase",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="members.purchase",
                    ),
                ),
                (
                    "rule_version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grants",
                        to="campaigns.ruleversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RuleGrantReversal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("taken_back", "Taken Back"),
                            ("used", "Used"),
                            ("changed", "Changed"),
                            ("stays", "Stays"),
                        ],
                        max_length=16,
                    ),
                ),
                ("recorded_at", models.DateTimeField()),
                (
                    "goods_return",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="grant_reversals",
                        to="members.return",
                    ),
                ),
                (
                    "grant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversal",
                        to="campaigns.rulegrant",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="rulegrant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("event__isnull", True), ("purchase__isnull", False)),
                    models.Q(("event__isnull", False), ("purchase__isnull", True)),
                    _connector="OR",
                ),
                name="campaigns_rulegrant_of_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="rulegrant",
            constraint=models.UniqueConstraint(
                condition=models.Q(("purchase__isnull", False)),
                fields=("purchase", "rule_version", "effect"),
                name="campaigns_rulegrant_once_a_purchase",
            ),
        ),
        migrations.AddConstraint(
            model_name="rulegrant",
            constraint=models.UniqueConstraint(
                condition=models.Q(("event__isnull", False)),
                fields=("event", "rule_version", "effect"),
                name="campaigns_rulegrant_once_an_event",
            ),
        ),
        migrations.AddConstraint(
            model_name="rulegrantreversal",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["taken_back", "used", "changed", "stays"])),
                name="campaigns_rulegrantreversal_outcome",
            ),
        ),
        migrations.RunSQL(GUARD, UNDO),
    ]
