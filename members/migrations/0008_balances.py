"""The balance of the present moment, planned once."""

from pathlib import Path

from django.db import migrations

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Create the function that reads it."""

    dependencies = [("members", "0007_plural_names")]

    operations = [run_sql_file(SQL / "balances.sql")]
