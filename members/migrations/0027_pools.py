"""Let households and companies hold points together."""

import django.db.models.deletion
import uuid
from pathlib import Path

from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Add pools, who is in them, and invitations."""

    dependencies = [
        ("members", "0026_wrong_tries"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pool",
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
                        choices=[("household", "Household"), ("company", "Company")], max_length=16
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        db_comment="As its owner calls it; erasable.",
                        default="",
                        max_length=80,
                    ),
                ),
                ("founded_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("changed_at", models.DateTimeField()),
                (
                    "swept_through",
                    models.BigIntegerField(
                        db_comment="Ledger transaction up to which what came back for those who"
                        " left was sent on.",
                        default=0,
                    ),
                ),
                ("swept_at", models.DateTimeField(db_comment="When it was.")),
            ],
        ),
        migrations.CreateModel(
            name="PoolInvite",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("adult", "Adult"), ("child", "Child")],
                        max_length=16,
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="PoolMembership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("adult", "Adult"), ("child", "Child")],
                        max_length=16,
                    ),
                ),
                (
                    "share_pct",
                    models.PositiveSmallIntegerField(
                        db_comment="Percentage of each earn that goes to the pool."
                    ),
                ),
                ("joined_at", models.DateTimeField()),
                ("left_at", models.DateTimeField(blank=True, null=True)),
                (
                    "ending",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("left", "Left"),
                            ("removed", "Removed"),
                            ("closed", "Closed"),
                            ("merged", "Merged"),
                            ("erased", "Erased"),
                        ],
                        default="",
                        max_length=16,
                    ),
                ),
                (
                    "shared_through",
                    models.BigIntegerField(
                        db_comment="Ledger transaction up to which earns were shared.", default=0
                    ),
                ),
                ("shared_at", models.DateTimeField(db_comment="When they were.")),
            ],
        ),
        migrations.AddField(
            model_name="program",
            name="pools",
            field=models.JSONField(
                blank=True,
                db_comment="Terms of pools by kind; empty where there are none.",
                db_default={},
                default=dict,
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
                    ("pool", "Pool"),
                ],
                default="active",
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "pool"), _negated=True),
                    models.Q(
                        ("birth_date__isnull", True),
                        ("first_name", ""),
                        ("last_name", ""),
                        ("user__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="members_member_pool_is_nobody",
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="currency",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="members.pointcurrency",
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="holder",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="pool_held",
                to="members.member",
            ),
        ),
        migrations.AddField(
            model_name="pool",
            name="program",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="members.program",
            ),
        ),
        migrations.AddField(
            model_name="poolinvite",
            name="pool",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invites",
                to="members.pool",
            ),
        ),
        migrations.AddField(
            model_name="poolmembership",
            name="member",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="pool_memberships",
                to="members.member",
            ),
        ),
        migrations.AddField(
            model_name="poolmembership",
            name="pool",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="memberships",
                to="members.pool",
            ),
        ),
        migrations.AddConstraint(
            model_name="pool",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["household", "company"])), name="members_pool_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="pool",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("closed_at__isnull", True),
                    ("closed_at__gte", models.F("founded_at")),
                    _connector="OR",
                ),
                name="members_pool_closed_later",
            ),
        ),
        migrations.AddConstraint(
            model_name="poolinvite",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["adult", "child"])), name="members_poolinvite_role"
            ),
        ),
        migrations.AddIndex(
            model_name="poolmembership",
            index=models.Index(
                fields=["pool", "joined_at", "id"], name="members_poolmembership_pool"
            ),
        ),
        migrations.AddIndex(
            model_name="poolmembership",
            index=models.Index(
                fields=["member", "-joined_at"], name="members_poolmembership_member"
            ),
        ),
        migrations.AddConstraint(
            model_name="poolmembership",
            constraint=models.UniqueConstraint(
                condition=models.Q(("left_at__isnull", True)),
                fields=("member",),
                name="members_poolmembership_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="poolmembership",
            constraint=models.UniqueConstraint(
                condition=models.Q(("left_at__isnull", True), ("role", "owner")),
                fields=("pool",),
                name="members_poolmembership_one_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="poolmembership",
            constraint=models.CheckConstraint(
                condition=models.Q(("share_pct__lte", 100)), name="members_poolmembership_share"
            ),
        ),
        migrations.AddConstraint(
            model_name="poolmembership",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "adult", "child"])),
                name="members_poolmembership_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="poolmembership",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ending", ""), ("left_at__isnull", True)),
                    models.Q(
                        ("left_at__gte", models.F("joined_at")),
                        models.Q(("ending", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="members_poolmembership_ended",
            ),
        ),
        run_sql_file(
            SQL / "pools.sql",
            undo="DROP TRIGGER IF EXISTS pool_stays ON public.members_member;",
        ),
    ]
