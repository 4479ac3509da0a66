from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    dependencies = [("members", "0012_lot_lives")]

    operations = [
        migrations.AddField(
            model_name="tiermembership",
            name="grace_ends_at",
            field=models.DateTimeField(
                blank=True,
                db_comment="When the member falls; set once the threshold was missed at valid_until.",
                editable=False,
                null=True,
            ),
        ),
        migrations.RemoveIndex(model_name="tiermembership", name="members_tiermembership_due"),
        migrations.AddIndex(
            model_name="tiermembership",
            index=models.Index(
                Coalesce("grace_ends_at", "valid_until"),
                condition=models.Q(superseded_at__isnull=True, ends_at__isnull=True),
                name="members_tiermembership_due",
            ),
        ),
    ]
