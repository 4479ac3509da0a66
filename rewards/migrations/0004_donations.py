"""Let points be given to a cause, and bank documents pay what was given."""

import django.db.models.deletion
import uuid
from pathlib import Path
from django.conf import settings
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file


UNDO = """
ALTER TABLE public.rewards_donation DROP CONSTRAINT rewards_donation_amount,
  DROP CONSTRAINT rewards_donation_match;
"""
SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Add the terms of causes, donations and payouts."""

    dependencies = [
        ("members", "0019_pending_waits"),
        ("rewards", "0003_points_tenders"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Donation",
            fields=[
                (
                    "redemption",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="donation",
                        serialize=False,
                        to="rewards.redemption",
                    ),
                ),
                ("points", models.BigIntegerField()),
                (
                    "rate",
                    models.DecimalField(
                        db_comment="Money for one point, in the program's money.",
                        decimal_places=6,
                        max_digits=12,
                    ),
                ),
                (
                    "match_percent",
                    models.DecimalField(
                        db_comment="What the company adds, of the amount.",
                        decimal_places=4,
                        max_digits=7,
                    ),
                ),
                (
                    "digits",
                    models.PositiveSmallIntegerField(
                        db_comment="Decimal places of the program's money, to which amounts are rounded half up."
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        db_comment="The points in money, rounded once.",
                        decimal_places=4,
                        max_digits=16,
                    ),
                ),
                (
                    "match_amount",
                    models.DecimalField(
                        db_comment="What the company adds, rounded once.",
                        decimal_places=4,
                        max_digits=16,
                    ),
                ),
                ("donated_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Payout",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("document_date", models.DateField(db_comment="Date on the bank document.")),
                (
                    "reference",
                    models.CharField(db_comment="Number of the bank document.", max_length=64),
                ),
                (
                    "amount",
                    models.DecimalField(
                        db_comment="What the document paid, in the program's money.",
                        decimal_places=4,
                        max_digits=16,
                    ),
                ),
                ("recorded_at", models.DateTimeField()),
                (
                    "voided_at",
                    models.DateTimeField(
                        blank=True,
                        db_comment="When it was taken back; its donations are unpaid again.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PayoutLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        db_comment="The donation with what the company adds.",
                        decimal_places=4,
                        max_digits=16,
                    ),
                ),
                (
                    "is_open",
                    models.BooleanField(
                        db_comment="Cleared when the payout is voided.", default=True
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="reward",
            name="donation_match_percent",
            field=models.DecimalField(
                db_comment="What the company adds to a donation, of its amount.",
                db_default=0,
                decimal_places=4,
                default=0,
                max_digits=7,
            ),
        ),
        migrations.AddField(
            model_name="reward",
            name="donation_rate",
            field=models.DecimalField(
                blank=True,
                db_comment="Money that a cause gets for one point; null is the worth of a point.",
                decimal_places=6,
                max_digits=12,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="reward",
            name="donation_target",
            field=models.DecimalField(
                blank=True,
                db_comment="What is hoped to be raised for a cause, in the program's money.",
                decimal_places=4,
                max_digits=16,
                null=True,
            ),
        ),
        migrations.AddConstraint(
            model_name="reward",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("donation_rate__isnull", True), ("donation_rate__gte", 0), _connector="OR"
                    ),
                    ("donation_match_percent__gte", 0),
                ),
                name="rewards_reward_donation_sane",
            ),
        ),
        migrations.AddField(
            model_name="donation",
            name="reward",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="donations",
                to="rewards.reward",
            ),
        ),
        migrations.AddField(
            model_name="payout",
            name="program",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="members.program",
            ),
        ),
        migrations.AddField(
            model_name="payout",
            name="recorded_by",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="payout",
            name="reward",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payouts",
                to="rewards.reward",
            ),
        ),
        migrations.AddField(
            model_name="payout",
            name="voided_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="payoutline",
            name="donation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="payout_lines",
                to="rewards.donation",
            ),
        ),
        migrations.AddField(
            model_name="payoutline",
            name="payout",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="lines",
                to="rewards.payout",
            ),
        ),
        migrations.AddConstraint(
            model_name="donation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("digits__lte", 4),
                    ("match_percent__gte", 0),
                    ("points__gt", 0),
                    ("rate__gte", 0),
                ),
                name="rewards_donation_sane",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.UniqueConstraint(
                condition=models.Q(("voided_at__isnull", True)),
                fields=("reward", "reference"),
                name="rewards_payout_document_once",
                violation_error_message="This document is recorded already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="rewards_payout_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("voided_at__isnull", True), ("voided_by__isnull", True)),
                    models.Q(("voided_at__isnull", False), ("voided_by__isnull", False)),
                    _connector="OR",
                ),
                name="rewards_payout_voided_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutline",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_open", True)),
                fields=("donation",),
                name="rewards_payoutline_donation_once",
                violation_error_message="A donation is paid out once.",
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutline",
            constraint=models.UniqueConstraint(
                fields=("payout", "donation"), name="rewards_payoutline_identity"
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutline",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)), name="rewards_payoutline_positive"
            ),
        ),
        run_sql_file(SQL / "donations.sql", undo=UNDO),
    ]
