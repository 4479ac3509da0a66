"""The two calls of intake take a key for each row, where they took one for all.

Their new form comes with every migration; what is left to do is to drop the old one.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0004_caps")]

    operations = [
        migrations.RunSQL(
            """
            DROP FUNCTION IF EXISTS public.intake_open(bigint, jsonb, text, text, bytea,
              timestamptz, boolean);
            DROP FUNCTION IF EXISTS public.intake_post(bigint, timestamptz, jsonb, text, text,
              bytea, int, jsonb, bigint);
            """,
            migrations.RunSQL.noop,
        ),
    ]
