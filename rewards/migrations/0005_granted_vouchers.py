"""Let rules give vouchers that cost no points."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("members", "0024_partners"),
        ("rewards", "0004_donations"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="redemption",
            name="rewards_redemption_positive",
        ),
        migrations.RemoveConstraint(
            model_name="redemption",
            name="rewards_redemption_paid",
        ),
        migrations.AddField(
            model_name="redemption",
            name="is_granted",
            field=models.BooleanField(
                db_comment="Given by a rule: it cost no points and took no piece of a stock.",
                db_default=False,
                default=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("quantity__gt", 0),
                    models.Q(
                        models.Q(("is_granted", False), ("points__gt", 0)),
                        models.Q(("is_granted", True), ("points", 0)),
                        _connector="OR",
                    ),
                ),
                name="rewards_redemption_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="redemption",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["requested", "fulfilled"]), _negated=True),
                    ("debit__isnull", False),
                    ("is_granted", True),
                    _connector="OR",
                ),
                name="rewards_redemption_paid",
            ),
        ),
    ]
