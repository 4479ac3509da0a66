"""Let members say which points they miss, and staff look for them."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the cases."""

    dependencies = [
        ("campaigns", "0015_announced_changes"),
        ("members", "0030_birth_date_changes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ClaimCase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "receipt",
                    models.CharField(blank=True, db_comment="Its number; erasable.", max_length=64),
                ),
                (
                    "day",
                    models.DateField(db_comment="Day on the receipt, of the program's calendar."),
                ),
                (
                    "total",
                    models.DecimalField(
                        db_comment="Sum of the receipt in the program's money.",
                        decimal_places=4,
                        max_digits=14,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("granted", "Granted"), ("refused", "Refused")],
                        default="open",
                        max_length=16,
                    ),
                ),
                (
                    "answer",
                    models.CharField(
                        blank=True,
                        db_comment="What the member is told; erasable.",
                        default="",
                        max_length=200,
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claim_cases",
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
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="claim_case",
                        to="members.purchase",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["member", "-made_at", "-id"], name="campaigns_claimcase_member"
                    ),
                    models.Index(
                        condition=models.Q(("state", "open")),
                        fields=["made_at", "id"],
                        name="campaigns_claimcase_open",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at__isnull", True),
                                ("purchase__isnull", True),
                                ("state", "open"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("purchase__isnull", False),
                                ("state", "granted"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("purchase__isnull", True),
                                ("state", "refused"),
                            ),
                            _connector="OR",
                        ),
                        name="campaigns_claimcase_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("total__gt", 0)),
                        name="campaigns_claimcase_total_positive",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("member", "receipt", "day", "total"),
                        name="campaigns_claimcase_waits_once",
                    ),
                ],
            },
        ),
    ]
