"""Let points wait for an event or for the hand of staff, beside a date."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add what a currency says of it, and tell lots apart by what they wait for."""

    dependencies = [("members", "0018_proof")]

    operations = [
        migrations.RemoveConstraint(model_name="pointlot", name="members_pointlot_one"),
        migrations.AddField(
            model_name="pointcurrency",
            name="pending",
            field=models.JSONField(
                blank=True,
                db_comment="{days} or {until, type, at_most_days}, in the place of pending_days.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="pointlot",
            index=models.Index(
                condition=models.Q(
                    ("remaining__gt", 0), models.Q(("waits_for", ""), _negated=True)
                ),
                fields=["waits_for"],
                name="members_pointlot_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointlot",
            constraint=models.UniqueConstraint(
                fields=(
                    *("transaction", "account", "available_at", "expires_at", "moved_from"),
                    "waits_for",
                ),
                name="members_pointlot_one",
                nulls_distinct=False,
            ),
        ),
    ]
