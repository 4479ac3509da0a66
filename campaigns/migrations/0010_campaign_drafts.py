"""Let staff write, review and start campaigns, and keep what campaigns were."""

from pathlib import Path

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"
GUARD = """
CREATE TRIGGER judged BEFORE INSERT OR UPDATE OF status ON public.campaigns_campaign
  FOR EACH ROW EXECUTE FUNCTION public.campaign_judged();
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.campaigns_campaigndraft
  FOR EACH ROW EXECUTE FUNCTION public.campaign_draft_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.campaigns_campaigndraft EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.campaigns_campaignversion EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
  ON public.campaigns_campaignstep EXECUTE FUNCTION public.refuse_change();
"""


class Migration(migrations.Migration):
    """Create drafts, versions and steps of campaigns, and hold their course."""

    dependencies = [
        ("campaigns", "0009_earning_codes"),
        ("members", "0024_partners"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="campaign",
            name="status",
            field=models.CharField(
                choices=[
                    ("draft", "draft"),
                    ("in_review", "in review"),
                    ("scheduled", "scheduled"),
                    ("active", "active"),
                    ("paused", "paused"),
                    ("ended", "ended"),
                    ("archived", "archived"),
                ],
                default="draft",
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="CampaignVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "body",
                    models.JSONField(db_comment="The campaign as the program's document has it."),
                ),
                ("published_at", models.DateTimeField()),
                ("actor", models.CharField(blank=True, max_length=64)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="campaigns.campaign",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CampaignStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=16)),
                ("before", models.CharField(max_length=16)),
                ("after", models.CharField(max_length=16)),
                (
                    "actor",
                    models.CharField(
                        blank=True, db_comment="Who, where it is no login.", max_length=64
                    ),
                ),
                ("taken_at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="campaigns.campaign",
                    ),
                ),
                (
                    "user",
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
                    "version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="campaigns.campaignversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CampaignDraft",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("in_review", "in review"),
                            ("published", "published"),
                            ("discarded", "discarded"),
                        ],
                        default="draft",
                        max_length=16,
                        verbose_name="state",
                    ),
                ),
                ("body", models.JSONField(db_comment="The campaign as the program file has it.")),
                (
                    "base",
                    models.JSONField(
                        blank=True,
                        db_comment="What was live when it was begun; null for a new one.",
                        null=True,
                    ),
                ),
                (
                    "base_version",
                    models.BigIntegerField(db_comment="The program's version when it was begun."),
                ),
                ("goal", models.CharField(blank=True, max_length=200, verbose_name="goal")),
                (
                    "budget_points",
                    models.BigIntegerField(
                        blank=True,
                        db_comment="Of the body; set by the database.",
                        editable=False,
                        null=True,
                    ),
                ),
                (
                    "limit_points",
                    models.BigIntegerField(
                        db_comment="The budget that one person may start alone; set by the database.",
                        default=0,
                        editable=False,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("edited_at", models.DateTimeField()),
                ("submitted_at", models.DateTimeField(blank=True, null=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "answer",
                    models.TextField(blank=True, db_comment="What the second person said to it."),
                ),
                (
                    "author",
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
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="drafts",
                        to="campaigns.campaign",
                        verbose_name="campaign",
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
                    "edited_by",
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
                    "source",
                    models.ForeignKey(
                        blank=True,
                        db_comment="The version that it goes back to, or is a copy of.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="campaigns.campaignversion",
                    ),
                ),
                (
                    "version",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="draft",
                        to="campaigns.campaignversion",
                    ),
                ),
            ],
            options={
                "permissions": [("approve_campaigndraft", "Can approve campaigns of others")],
            },
        ),
        migrations.CreateModel(
            name="CampaignPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "budget_points_alone",
                    models.BigIntegerField(
                        db_comment="Largest budget, in points, that needs no second person.",
                        default=10000,
                        help_text="A campaign with more points, or without a budget, needs a second person.",
                        verbose_name="budget alone, in points",
                    ),
                ),
                (
                    "program",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="campaign_policy",
                        to="members.program",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "campaign policies",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("budget_points_alone__gte", 0)),
                        name="campaigns_campaignpolicy_not_negative",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="campaignversion",
            constraint=models.UniqueConstraint(
                fields=("campaign", "number"), name="campaigns_campaignversion_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="campaigndraft",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["draft", "in_review"])),
                fields=("campaign",),
                name="campaigns_campaigndraft_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaigndraft",
            constraint=models.CheckConstraint(
                condition=models.Q(("author__isnull", False), ("edited_by__isnull", False)),
                name="campaigns_campaigndraft_written",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaigndraft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "published"), _negated=True),
                    ("decided_by__isnull", True),
                    models.Q(
                        models.Q(("decided_by", models.F("author")), _negated=True),
                        models.Q(("decided_by", models.F("edited_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="campaigns_campaigndraft_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaigndraft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "published"), _negated=True),
                    ("decided_by__isnull", False),
                    models.Q(
                        ("budget_points__isnull", False),
                        ("budget_points__lte", models.F("limit_points")),
                    ),
                    _connector="OR",
                ),
                name="campaigns_campaigndraft_above_limit",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaigndraft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at__isnull", True), ("decided_by__isnull", True)),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        ("state", "published"),
                    ),
                    _connector="OR",
                ),
                name="campaigns_campaigndraft_decided",
            ),
        ),
        migrations.AddConstraint(
            model_name="campaigndraft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "published"), ("version__isnull", False)),
                    models.Q(
                        ("version__isnull", True), models.Q(("state", "published"), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="campaigns_campaigndraft_published",
            ),
        ),
        run_sql_file(SQL / "drafts.sql"),
        migrations.RunSQL(GUARD, reverse_sql=migrations.RunSQL.noop),
    ]
