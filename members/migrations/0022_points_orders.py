"""Let points be bought with money."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"

# A share is the exact fraction, rounded to the smallest unit of the money: at most half a unit
# away. Compared without a division, which would round.
GUARD = """
ALTER TABLE public.members_pointsorder ADD CONSTRAINT members_pointsorder_share CHECK (
  2 * abs(refunded_price * points - price * refunded_points)
    <= points * power(10::numeric, -price_digits));
CREATE TRIGGER judged BEFORE INSERT OR UPDATE ON public.members_pointsorder
  FOR EACH ROW EXECUTE FUNCTION public.points_order_judged();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE
  ON public.members_pointsorder EXECUTE FUNCTION public.refuse_change();
"""


class Migration(migrations.Migration):
    """Create the orders of points."""

    dependencies = [
        ("members", "0021_merging"),
    ]

    operations = [
        migrations.CreateModel(
            name="PointsOrder",
            fields=[
                (
                    "approval",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="points_order",
                        serialize=False,
                        to="members.approval",
                    ),
                ),
                ("points", models.BigIntegerField(db_comment="What was bought.")),
                (
                    "price",
                    models.DecimalField(
                        db_comment="What was paid for all of them, in money.",
                        decimal_places=4,
                        max_digits=20,
                    ),
                ),
                ("money", models.CharField(db_comment="ISO 4217 code of the price.", max_length=3)),
                (
                    "price_digits",
                    models.PositiveSmallIntegerField(
                        db_comment="Decimal places of the smallest unit of the money."
                    ),
                ),
                ("provider", models.CharField(db_comment="Who took the payment.", max_length=64)),
                (
                    "reference",
                    models.CharField(
                        db_comment="The payment, as the provider names it.", max_length=128
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("paid", "paid"),
                            ("refunded", "refunded"),
                            ("withdrawn", "withdrawn"),
                        ],
                        default="paid",
                        max_length=16,
                    ),
                ),
                ("paid_at", models.DateTimeField()),
                (
                    "refundable_until",
                    models.DateTimeField(
                        db_comment="First instant too late for a refund: the start of the 15th program-local day after the one of the payment; set by the database.",
                        editable=False,
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        db_comment="First instant at which the points are of no use.",
                        null=True,
                    ),
                ),
                ("refunded_at", models.DateTimeField(blank=True, null=True)),
                (
                    "refunded_points",
                    models.BigIntegerField(
                        blank=True,
                        db_comment="What was left of the order's own lots, and taken back.",
                        null=True,
                    ),
                ),
                (
                    "refunded_price",
                    models.DecimalField(
                        blank=True,
                        db_comment="Their share of the price, half up to the smallest unit of the money.",
                        decimal_places=4,
                        max_digits=20,
                        null=True,
                    ),
                ),
                (
                    "refund_why",
                    models.TextField(
                        blank=True, db_comment="For staff; emptied when the member is erased."
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
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="points_orders",
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
                    "refund",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunded_order",
                        to="members.ledgertransaction",
                    ),
                ),
                (
                    "transaction",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="points_order",
                        to="members.ledgertransaction",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("points__gt", 0), ("points__lte", 1000000000)),
                        name="members_pointsorder_points",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("money__regex", "^[A-Z]{3}$"),
                            ("price__gt", 0),
                            ("price_digits__lte", 4),
                        ),
                        name="members_pointsorder_price",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("provider", ""), _negated=True),
                            models.Q(("reference", ""), _negated=True),
                        ),
                        name="members_pointsorder_payment",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "withdrawn"), _negated=True),
                        fields=("reference", "provider", "program"),
                        name="members_pointsorder_one_a_payment",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("refunded_at__isnull", False),
                                ("refunded_points__gt", 0),
                                ("refunded_points__isnull", False),
                                ("refunded_points__lte", models.F("points")),
                                ("refunded_price__gte", 0),
                                ("refunded_price__isnull", False),
                                ("refunded_price__lte", models.F("price")),
                                ("state", "refunded"),
                            ),
                            models.Q(
                                ("refund__isnull", True),
                                ("refunded_at__isnull", True),
                                ("refunded_points__isnull", True),
                                ("refunded_price__isnull", True),
                                ("state__in", ["paid", "withdrawn"]),
                            ),
                            _connector="OR",
                        ),
                        name="members_pointsorder_refunded",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("refunded_at__isnull", True),
                            models.Q(
                                ("refunded_at__gte", models.F("paid_at")),
                                ("refunded_at__lt", models.F("refundable_until")),
                            ),
                            _connector="OR",
                        ),
                        name="members_pointsorder_in_time",
                    ),
                ],
            },
        ),
        run_sql_file(SQL / "orders.sql"),
        migrations.RunSQL(GUARD, reverse_sql=migrations.RunSQL.noop),
    ]
