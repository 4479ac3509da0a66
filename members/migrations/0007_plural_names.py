from django.db import migrations


class Migration(migrations.Migration):
    """Give two models the plurals that the admin shows; no table changes."""

    dependencies = [("members", "0006_activating_lots")]

    operations = [
        migrations.AlterModelOptions(
            name="ledgerentry", options={"verbose_name_plural": "ledger entries"}
        ),
        migrations.AlterModelOptions(
            name="pointcurrency", options={"verbose_name_plural": "point currencies"}
        ),
    ]
