"""The opening call of intake answers json, where it answered jsonb.

The new form comes with every migration; what is left to do is to drop the old one.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0005_keys_by_row")]

    operations = [
        migrations.RunSQL(
            """
            DROP FUNCTION IF EXISTS public.intake_open(bigint, jsonb, timestamptz, boolean);
            DROP FUNCTION IF EXISTS public.intake_members(bigint[], jsonb);
            """,
            migrations.RunSQL.noop,
        ),
    ]
