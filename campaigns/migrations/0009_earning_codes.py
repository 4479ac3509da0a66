"""Codes that earn, each redeemed once."""

from pathlib import Path

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Create what the module names."""

    dependencies = [
        ("campaigns", "0008_stacking"),
        ("members", "0026_wrong_tries"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CodeBatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "code",
                    models.SlugField(
                        db_comment="What rules know the batch by: event.payload.batch.",
                        max_length=64,
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("count", models.PositiveIntegerField()),
                ("store", models.CharField(blank=True, default="", max_length=64)),
                (
                    "amount",
                    models.DecimalField(
                        blank=True,
                        db_comment="Money on the receipt that the codes are printed on.",
                        decimal_places=4,
                        max_digits=12,
                        null=True,
                    ),
                ),
                ("valid_from", models.DateTimeField(blank=True, null=True)),
                ("valid_until", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
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
            ],
            options={
                "verbose_name_plural": "code batches",
            },
        ),
        migrations.CreateModel(
            name="EarningCode",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "digest",
                    models.BinaryField(db_comment="SHA-256 of the code without its hyphens."),
                ),
                ("redeemed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "batch",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="codes",
                        to="campaigns.codebatch",
                    ),
                ),
                (
                    "event",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="earning_code",
                        to="campaigns.event",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.member",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.UniqueConstraint(
                fields=("code", "program"), name="campaigns_codebatch_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_from__isnull", True),
                    ("valid_until__isnull", True),
                    ("valid_until__gt", models.F("valid_from")),
                    _connector="OR",
                ),
                name="campaigns_codebatch_window",
            ),
        ),
        migrations.AddConstraint(
            model_name="codebatch",
            constraint=models.CheckConstraint(
                condition=models.Q(("count__gt", 0), ("count__lte", 100000)),
                name="campaigns_codebatch_count",
            ),
        ),
        migrations.AddConstraint(
            model_name="earningcode",
            constraint=models.UniqueConstraint(
                fields=("digest",), name="campaigns_earningcode_digest"
            ),
        ),
        migrations.AddConstraint(
            model_name="earningcode",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("event__isnull", True),
                        ("member__isnull", True),
                        ("redeemed_at__isnull", True),
                    ),
                    models.Q(
                        ("event__isnull", False),
                        ("member__isnull", False),
                        ("redeemed_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="campaigns_earningcode_whole",
            ),
        ),
        run_sql_file(SQL / "codes.sql"),
    ]
