"""Date a score once: since when it is this one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Drop the second date."""

    dependencies = [
        ("members", "0027_pools"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="memberscore",
            name="since",
        ),
        migrations.AlterField(
            model_name="memberscore",
            name="computed_at",
            field=models.DateTimeField(
                db_comment="Since when the figure is this one; the same figure is not written again."
            ),
        ),
    ]
