"""Give points with partners, exchange them, and settle by the month."""

import django.db.models.deletion
import uuid
from pathlib import Path
from django.conf import settings
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file


SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Add partners, their rates, packs, movements and statements."""

    dependencies = [
        ("members", "0023_reinstatements"),
    ]

    operations = [
        migrations.CreateModel(
            name="Partner",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=48)),
                ("name", models.JSONField(db_comment="Name per language.", default=dict)),
                (
                    "unit",
                    models.CharField(
                        blank=True,
                        db_comment="What the partner's own currency is called.",
                        max_length=64,
                    ),
                ),
                (
                    "funding",
                    models.CharField(
                        choices=[("prepaid", "Prepaid"), ("postpaid", "Postpaid")], max_length=16
                    ),
                ),
                (
                    "given_per_day",
                    models.BigIntegerField(
                        blank=True,
                        db_comment="Points that a member gets of it a day at most.",
                        null=True,
                    ),
                ),
                (
                    "taken_per_day",
                    models.BigIntegerField(
                        blank=True,
                        db_comment="Points that a member exchanges for its own a day at most.",
                        null=True,
                    ),
                ),
                ("is_retired", models.BooleanField(default=False)),
                ("changed_at", models.DateTimeField()),
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
                    "program",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="partners",
                        to="members.program",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PartnerFunding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("points", models.BigIntegerField()),
                (
                    "amount",
                    models.DecimalField(
                        db_comment="What was paid, in the program's money.",
                        decimal_places=4,
                        max_digits=16,
                    ),
                ),
                (
                    "reference",
                    models.CharField(db_comment="Number of the invoice or payment.", max_length=64),
                ),
                ("recorded_at", models.DateTimeField()),
                (
                    "partner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="packs",
                        to="members.partner",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PartnerMovement",
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
                        choices=[
                            ("credit", "Credit"),
                            ("exchange_in", "Exchange In"),
                            ("exchange_out", "Exchange Out"),
                            ("exchange_back", "Exchange Back"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("confirmed", "Confirmed"),
                            ("failed", "Failed"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "external_id",
                    models.CharField(db_comment="The partner's own reference.", max_length=128),
                ),
                ("points", models.BigIntegerField()),
                (
                    "units",
                    models.DecimalField(
                        blank=True,
                        db_comment="Of the partner's currency; null where points were given as points.",
                        decimal_places=6,
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "rate",
                    models.DecimalField(
                        blank=True,
                        db_comment="The rate in or out of its moment.",
                        decimal_places=6,
                        max_digits=16,
                        null=True,
                    ),
                ),
                (
                    "price",
                    models.DecimalField(
                        db_comment="Money for one point, of its moment.",
                        decimal_places=6,
                        max_digits=12,
                    ),
                ),
                (
                    "amount",
                    models.DecimalField(
                        db_comment="Points at the price; above zero the partner owes it.",
                        decimal_places=6,
                        max_digits=24,
                    ),
                ),
                (
                    "day",
                    models.DateField(db_comment="Day of the program's calendar, for the caps."),
                ),
                (
                    "month",
                    models.DateField(db_comment="First day of the month whose statement it is of."),
                ),
                ("recorded_at", models.DateTimeField()),
                ("actor", models.CharField(max_length=64)),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.member",
                    ),
                ),
                (
                    "original",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="back",
                        to="members.partnermovement",
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="movements",
                        to="members.partner",
                    ),
                ),
                (
                    "transaction",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="members.ledgertransaction",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PartnerRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("starts_at", models.DateTimeField()),
                (
                    "rate_in",
                    models.DecimalField(
                        blank=True,
                        db_comment="Points for one unit of the partner's; null is no exchange this way.",
                        decimal_places=6,
                        max_digits=16,
                        null=True,
                    ),
                ),
                (
                    "rate_out",
                    models.DecimalField(
                        blank=True,
                        db_comment="Units of the partner's for one point; null is no exchange this way.",
                        decimal_places=6,
                        max_digits=16,
                        null=True,
                    ),
                ),
                (
                    "price_in",
                    models.DecimalField(
                        db_comment="Money that it owes for a point it gave.",
                        decimal_places=6,
                        max_digits=12,
                    ),
                ),
                (
                    "price_out",
                    models.DecimalField(
                        db_comment="Money that it is owed for a point it took.",
                        decimal_places=6,
                        max_digits=12,
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="rates",
                        to="members.partner",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PartnerStatement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "month",
                    models.DateField(
                        db_comment="The first day of a month of the program's calendar."
                    ),
                ),
                ("movements", models.PositiveIntegerField()),
                ("points_given", models.BigIntegerField()),
                ("points_taken", models.BigIntegerField(db_comment="Less what came back.")),
                (
                    "net_amount",
                    models.DecimalField(
                        db_comment="The sum of its movements, exactly; above zero the partner owes it.",
                        decimal_places=6,
                        max_digits=24,
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "closed_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="statements",
                        to="members.partner",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PartnerBalance",
            fields=[
                (
                    "partner",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="balance",
                        serialize=False,
                        to="members.partner",
                    ),
                ),
                ("is_prepaid", models.BooleanField()),
                ("funded", models.BigIntegerField(default=0)),
                ("given", models.BigIntegerField(default=0)),
                ("taken", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("is_prepaid", False),
                            ("given__lte", models.F("funded")),
                            _connector="OR",
                        ),
                        name="members_partnerbalance_within_funds",
                        violation_error_message="The partner's prepaid points are used up.",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="partner",
            constraint=models.UniqueConstraint(
                fields=("program", "code"), name="members_partner_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="partner",
            constraint=models.CheckConstraint(
                condition=models.Q(("funding__in", ["prepaid", "postpaid"])),
                name="members_partner_funding",
            ),
        ),
        migrations.AddConstraint(
            model_name="partnerfunding",
            constraint=models.UniqueConstraint(
                fields=("partner", "reference"),
                name="members_partnerfunding_once",
                violation_error_message="This payment is recorded already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="partnerfunding",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gte", 0), ("points__gt", 0)),
                name="members_partnerfunding_sane",
            ),
        ),
        migrations.AddIndex(
            model_name="partnermovement",
            index=models.Index(
                fields=["partner", "month", "id"], name="members_partnermovement_month"
            ),
        ),
        migrations.AddIndex(
            model_name="partnermovement",
            index=models.Index(
                fields=["member", "partner", "day"], name="members_partnermovement_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="partnermovement",
            constraint=models.UniqueConstraint(
                fields=("partner", "kind", "external_id"), name="members_partnermovement_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="partnermovement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("points__gt", 0), ("points__lte", 1000000000), ("price__gte", 0)
                ),
                name="members_partnermovement_sane",
            ),
        ),
        migrations.AddConstraint(
            model_name="partnermovement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "exchange_back"), ("original__isnull", False)),
                    models.Q(
                        models.Q(("kind", "exchange_back"), _negated=True),
                        ("original__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="members_partnermovement_back",
            ),
        ),
        migrations.AddConstraint(
            model_name="partnermovement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("external_id__contains", "@"), _negated=True),
                    models.Q(("external_id", ""), _negated=True),
                ),
                name="members_partnermovement_reference",
                violation_error_message="A reference says what was moved, never who.",
            ),
        ),
        migrations.AddConstraint(
            model_name="partnermovement",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", "confirmed"),
                    models.Q(("kind", "exchange_out"), ("state__in", ["requested", "failed"])),
                    _connector="OR",
                ),
                name="members_partnermovement_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="partnerrate",
            constraint=models.UniqueConstraint(
                fields=("partner", "starts_at"), name="members_partnerrate_start"
            ),
        ),
        migrations.AddConstraint(
            model_name="partnerrate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("price_in__gte", 0),
                    ("price_out__gte", 0),
                    models.Q(("rate_in__isnull", True), ("rate_in__gt", 0), _connector="OR"),
                    models.Q(("rate_out__isnull", True), ("rate_out__gt", 0), _connector="OR"),
                ),
                name="members_partnerrate_sane",
            ),
        ),
        migrations.AddConstraint(
            model_name="partnerstatement",
            constraint=models.UniqueConstraint(
                fields=("partner", "month"), name="members_partnerstatement_month"
            ),
        ),
        migrations.AddConstraint(
            model_name="partnerstatement",
            constraint=models.CheckConstraint(
                condition=models.Q(("month__day", 1)), name="members_partnerstatement_first_day"
            ),
        ),
        run_sql_file(SQL / "partners.sql"),
    ]
