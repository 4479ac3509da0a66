"""Let a hold be captured in part, and a redemption be given back in parts."""

from pathlib import Path

from django.db import migrations

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"

# Both have one argument more now.
DROP = """
DROP FUNCTION IF EXISTS public.ledger_capture(bigint, text, timestamptz, timestamptz);
DROP FUNCTION IF EXISTS public.ledger_give_back(
  bigint, text, text, text, timestamptz, timestamptz, text);
"""


class Migration(migrations.Migration):
    """Replace the functions that knew only the whole."""

    dependencies = [("members", "0010_operations")]

    operations = [
        migrations.RunSQL(DROP, reverse_sql=migrations.RunSQL.noop),
        run_sql_file(SQL / "giving_back.sql"),
    ]
