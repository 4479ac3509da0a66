"""Ask members what the program wants to know, and keep how answers changed."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add definitions, answers and their history."""

    dependencies = [
        ("members", "0030_birth_date_changes"),
    ]

    operations = [
        migrations.CreateModel(
            name="AttributeDefinition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=64)),
                ("name", models.JSONField(db_comment="Name per language.", default=dict)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("text", "Text"),
                            ("number", "Number"),
                            ("date", "Date"),
                            ("bool", "Bool"),
                            ("choice", "Choice"),
                            ("multi", "Multi"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "choices",
                    models.JSONField(
                        blank=True,
                        db_comment="[{code, name per language}] of choice and multi.",
                        default=list,
                    ),
                ),
                (
                    "is_personal",
                    models.BooleanField(
                        db_comment="Its values stand in no history, and no rule writes them.",
                        default=False,
                    ),
                ),
                ("is_member_editable", models.BooleanField(default=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("is_retired", models.BooleanField(default=False)),
                (
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attributes",
                        to="members.program",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AttributeChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("before", models.JSONField(blank=True, null=True)),
                ("after", models.JSONField(blank=True, null=True)),
                ("actor", models.CharField(max_length=64)),
                ("changed_at", models.DateTimeField()),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attribute_changes",
                        to="members.member",
                    ),
                ),
                (
                    "definition",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.attributedefinition",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MemberAttribute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("text", models.CharField(blank=True, default="", max_length=500)),
                (
                    "number",
                    models.DecimalField(blank=True, decimal_places=4, max_digits=16, null=True),
                ),
                ("flag", models.BooleanField(blank=True, null=True)),
                (
                    "texts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("actor", models.CharField(db_comment="Who gave it last.", max_length=64)),
                ("changed_at", models.DateTimeField()),
                (
                    "definition",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="values",
                        to="members.attributedefinition",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attribute_values",
                        to="members.member",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="attributedefinition",
            constraint=models.UniqueConstraint(
                fields=("program", "code"), name="members_attributedefinition_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="memberattribute",
            constraint=models.UniqueConstraint(
                fields=("member", "definition"), name="members_memberattribute_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="memberattribute",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("flag", None),
                        ("number", None),
                        ("texts", []),
                        models.Q(("text", ""), _negated=True),
                    ),
                    models.Q(
                        ("flag", None), ("number__isnull", False), ("text", ""), ("texts", [])
                    ),
                    models.Q(
                        ("flag__isnull", False), ("number", None), ("text", ""), ("texts", [])
                    ),
                    models.Q(
                        ("flag", None),
                        ("number", None),
                        ("text", ""),
                        models.Q(("texts", []), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="members_memberattribute_in_one_column",
            ),
        ),
    ]
