"""An index for what coupons brought."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the index."""

    dependencies = [
        ("members", "0028_scores_dated_once"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="purchase",
            index=models.Index(
                condition=models.Q(("coupons", []), _negated=True),
                fields=["occurred_at"],
                name="members_purchase_with_coupons",
            ),
        ),
    ]
