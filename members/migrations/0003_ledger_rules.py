"""The rules of the books, in the database."""

from pathlib import Path

from django.db import migrations

from loyalty_site.lib.sqlfiles import run_sql_file

SQL = Path(__file__).parents[1] / "sql"

UNDO = """
ALTER TABLE public.members_ledgertransaction
  DROP CONSTRAINT IF EXISTS members_ledgertransaction_has_entries,
  DROP COLUMN IF EXISTS xid, DROP COLUMN IF EXISTS epoch, DROP COLUMN IF EXISTS first_line;
ALTER TABLE public.members_ledgerentry
  DROP CONSTRAINT IF EXISTS members_ledgerentry_account_identity,
  DROP CONSTRAINT IF EXISTS members_ledgerentry_points_sane;
ALTER TABLE public.members_ledgeraccount
  DROP CONSTRAINT IF EXISTS members_ledgeraccount_currency_identity,
  DROP CONSTRAINT IF EXISTS members_ledgeraccount_floor_of_debt;
ALTER TABLE public.members_lotuse DROP CONSTRAINT IF EXISTS members_lotuse_points_sane;
"""


class Migration(migrations.Migration):
    """Create the triggers and the posting functions."""

    dependencies = [("members", "0002_apiclient")]

    operations = [
        run_sql_file(SQL / "epoch.sql"),
        run_sql_file(SQL / "ledger.sql", undo=UNDO),
        run_sql_file(SQL / "judging.sql"),
        run_sql_file(SQL / "posting.sql"),
        run_sql_file(SQL / "due.sql"),
    ]
