"""What was awarded is never rewritten."""

from pathlib import Path

from django.db import migrations

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"

UNDO = """
DROP TRIGGER IF EXISTS append_only ON public.campaigns_ruleversion;
DROP TRIGGER IF EXISTS append_only ON public.campaigns_publication;
DROP TRIGGER IF EXISTS append_only ON public.campaigns_awardreversal;
DROP TRIGGER IF EXISTS kept ON public.campaigns_award;
DROP TRIGGER IF EXISTS moved_by_reversals ON public.campaigns_award;
"""


class Migration(migrations.Migration):
    """Create the triggers of the awards."""

    dependencies = [
        ("campaigns", "0001_initial"),
        ("members", "0003_ledger_rules"),
    ]

    operations = [run_sql_file(SQL / "awards.sql", undo=UNDO)]
