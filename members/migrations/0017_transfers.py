"""Let members send points to each other."""

import uuid
from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Add the terms of transfers, and the transfers."""

    dependencies = [
        ("members", "0016_leaner_books"),
    ]

    operations = [
        migrations.AddField(
            model_name="pointcurrency",
            name="transfers",
            field=models.JSONField(
                blank=True,
                db_comment="Terms of transfers between members; empty where there are none.",
                db_default={},
                default=dict,
            ),
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "recipient_hint",
                    models.CharField(
                        blank=True,
                        db_comment="What the sender wrote, masked; erasable.",
                        max_length=128,
                    ),
                ),
                ("points", models.BigIntegerField(db_comment="What the recipient gets.")),
                (
                    "fee",
                    models.BigIntegerField(
                        db_comment="What the sender pays on top, in points.", default=0
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("completed", "Completed"),
                            ("cancelled", "Cancelled"),
                            ("refused", "Refused"),
                        ],
                        default="requested",
                        max_length=16,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        db_comment="Why it was cancelled or refused.",
                        default="",
                        max_length=32,
                    ),
                ),
                (
                    "day",
                    models.DateField(
                        db_comment="Day of the request in the program's calendar, for the cap."
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                (
                    "completes_at",
                    models.DateTimeField(db_comment="Until then the sender can cancel."),
                ),
                (
                    "paused_at",
                    models.DateTimeField(
                        blank=True,
                        db_comment="When staff stopped it; it waits until they let it go.",
                        null=True,
                    ),
                ),
                ("changed_at", models.DateTimeField()),
                (
                    "changed_by",
                    models.CharField(db_comment="Member, job or staff key.", max_length=64),
                ),
                (
                    "arrival",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.ledgertransaction",
                    ),
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
                    "departure",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.ledgertransaction",
                    ),
                ),
                (
                    "hold",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.ledgertransaction",
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
                    "recipient",
                    models.ForeignKey(
                        blank=True,
                        db_comment="Empty where nobody is known by what the sender wrote.",
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers_received",
                        to="members.member",
                    ),
                ),
                (
                    "sender",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers_sent",
                        to="members.member",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("paused_at__isnull", True), ("state", "requested")),
                        fields=["completes_at", "id"],
                        name="members_transfer_due",
                    ),
                    models.Index(
                        fields=["sender", "-requested_at", "-id"], name="members_transfer_sender"
                    ),
                    models.Index(
                        fields=["recipient", "-requested_at", "-id"],
                        name="members_transfer_recipient",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("fee__gte", 0),
                            ("fee__lte", 1000000000000),
                            ("points__gt", 0),
                            ("points__lte", 1000000000000),
                        ),
                        name="members_transfer_points_sane",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("recipient__isnull", True),
                            models.Q(("recipient", models.F("sender")), _negated=True),
                            _connector="OR",
                        ),
                        name="members_transfer_not_to_oneself",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ["requested", "completed", "cancelled", "refused"])
                        ),
                        name="members_transfer_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("arrival__isnull", False),
                                ("departure__isnull", False),
                                ("recipient__isnull", False),
                                ("state", "completed"),
                            ),
                            models.Q(
                                models.Q(("state", "completed"), _negated=True),
                                ("arrival__isnull", True),
                                ("departure__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="members_transfer_completed_moved",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("paused_at__isnull", True), ("state", "requested"), _connector="OR"
                        ),
                        name="members_transfer_paused_while_requested",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("completes_at__gte", models.F("requested_at"))),
                        name="members_transfer_completes_later",
                    ),
                ],
            },
        ),
        run_sql_file(SQL / "transfers.sql"),
    ]
