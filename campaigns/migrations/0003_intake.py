"""The two calls of purchase intake."""

from pathlib import Path

from django.db import migrations

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Create the functions that open and post."""

    dependencies = [
        ("campaigns", "0002_award_rules"),
        ("members", "0005_tier_rules"),
    ]

    operations = [run_sql_file(SQL / "intake.sql")]
