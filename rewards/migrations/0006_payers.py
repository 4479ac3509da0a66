"""Let the points of a pool pay for a redemption."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Say which row pays."""

    dependencies = [
        ("members", "0027_pools"),
        ("rewards", "0005_granted_vouchers"),
    ]

    operations = [
        migrations.AddField(
            model_name="redemption",
            name="payer",
            field=models.ForeignKey(
                blank=True,
                db_comment="The row of the pool that pays; empty where the member does.",
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="members.member",
            ),
        ),
    ]
