"""Keep tags, scores, what moved members in and out of segments, and how segments grew."""

import django.db.models.deletion
from django.db import migrations, models


TABLES = ("members_scoremove", "members_segmentmove")
MADE = "".join(
    f"CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON public.{table}"
    " EXECUTE FUNCTION public.refuse_change();\n"
    for table in TABLES
)
DROPPED = "".join(f"DROP TRIGGER append_only ON public.{table};\n" for table in TABLES)


class Migration(migrations.Migration):
    """Add the tables, and what keeps told moves as they were told."""

    dependencies = [
        ("members", "0024_partners"),
    ]

    operations = [
        migrations.CreateModel(
            name="MemberScore",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(db_index=False, max_length=32)),
                (
                    "value",
                    models.DecimalField(blank=True, decimal_places=6, max_digits=18, null=True),
                ),
                ("text", models.CharField(blank=True, max_length=32)),
                ("computed_at", models.DateTimeField()),
                (
                    "since",
                    models.DateTimeField(db_comment="Since when the figure has been the same."),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="scores",
                        to="members.member",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["code", "text", "member"], name="members_memberscore_words"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("member", "code"), name="members_memberscore_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("value__isnull", False),
                            models.Q(("text", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="members_memberscore_says_something",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="MemberTag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tag", models.CharField(max_length=64)),
                (
                    "actor",
                    models.CharField(db_comment="Key of staff or code of a rule.", max_length=64),
                ),
                ("tagged_at", models.DateTimeField()),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        db_comment="The first instant without the tag; null is for good.",
                        null=True,
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tags",
                        to="members.member",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["tag", "member"], name="members_membertag_bearers"),
                    models.Index(
                        condition=models.Q(("expires_at__isnull", False)),
                        fields=["expires_at"],
                        name="members_membertag_ends",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("member", "tag"), name="members_membertag_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("tag__regex", "^[a-z0-9][a-z0-9_-]*$")),
                        name="members_membertag_is_a_word",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("expires_at__isnull", True),
                            ("expires_at__gt", models.F("tagged_at")),
                            _connector="OR",
                        ),
                        name="members_membertag_ends_after_its_start",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ScoreMove",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(db_index=False, max_length=32)),
                ("text_before", models.CharField(blank=True, max_length=32)),
                ("text_after", models.CharField(blank=True, max_length=32)),
                ("moved_at", models.DateTimeField()),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="score_moves",
                        to="members.member",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["member", "-id"], name="members_scoremove_of_member"),
                    models.Index(fields=["code", "id"], name="members_scoremove_in_order"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("text_before", models.F("text_after")), _negated=True),
                        name="members_scoremove_moves",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SegmentMove",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entered", models.BooleanField(db_comment="False: the member left.")),
                ("moved_at", models.DateTimeField()),
                (
                    "actor",
                    models.CharField(
                        blank=True, db_comment="Who moved them by hand.", max_length=64
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="segment_moves",
                        to="members.member",
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="moves",
                        to="members.segment",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["segment", "id"], name="members_segmentmove_in_order"),
                    models.Index(fields=["member", "-id"], name="members_segmentmove_of_member"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SegmentSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("members", models.PositiveIntegerField()),
                (
                    "segment",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="snapshots",
                        to="members.segment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("segment", "day"), name="members_segmentsnapshot_day"
                    )
                ],
            },
        ),
        migrations.RunSQL(MADE, reverse_sql=DROPPED),
    ]
