"""One key, one act."""

from pathlib import Path

from django.db import migrations

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Create the functions that take and keep idempotency keys."""

    dependencies = [("members", "0003_ledger_rules")]

    operations = [run_sql_file(SQL / "idempotency.sql")]
