"""Standings are never edited."""

from pathlib import Path

from django.db import migrations

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """Create the functions that read and write standings."""

    dependencies = [("members", "0004_idempotency")]

    operations = [
        run_sql_file(
            SQL / "tiers.sql",
            undo="DROP TRIGGER IF EXISTS kept ON public.members_tiermembership;",
        )
    ]
