"""Let the job of activation read only the lots that wait."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """Narrow the index of lots by the instant at which they become available."""

    dependencies = [("members", "0005_tier_rules")]

    operations = [
        migrations.RemoveIndex("pointlot", name="members_pointlot_activating"),
        migrations.AddIndex(
            "pointlot",
            models.Index(
                fields=["available_at"],
                condition=Q(remaining__gt=0, available_at__gt=F("earned_at")),
                name="members_pointlot_activating",
            ),
        ),
    ]
