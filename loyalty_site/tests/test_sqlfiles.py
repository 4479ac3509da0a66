"""The functions of a database are those of the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections

from loyalty_site.lib.sqlfiles import functions_of

TEXT = """
-- A table; with a semicolon in the comment.
CREATE TABLE t (a int);
CREATE OR REPLACE FUNCTION public.first(p text) RETURNS text LANGUAGE sql
  RETURN 'it''s; ' || p;
CREATE TRIGGER x BEFORE UPDATE ON t EXECUTE FUNCTION public.refuse_change();
CREATE OR REPLACE FUNCTION public.second() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1;
END $$;
"""


def test_only_the_functions_of_a_file_are_taken_each_as_a_whole() -> None:
    first, second = functions_of(TEXT)
    assert first.endswith("RETURN 'it''s; ' || p;")
    assert second.startswith("CREATE OR REPLACE FUNCTION public.second()")
    assert second.endswith("END $$;")


def test_every_function_of_the_files_can_be_replaced() -> None:
    for path in Path(__file__).parents[2].glob("*/sql/*.sql"):
        statements = list(functions_of(path.read_text(encoding="utf-8")))
        assert all(each.startswith("CREATE OR REPLACE FUNCTION") for each in statements), path


def _body(function: str) -> str:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [function])
        return str(cursor.fetchone()[0])


@pytest.mark.usefixtures("committed_database")
def test_a_migration_sets_the_functions_and_leaves_the_epoch() -> None:
    right = _body("refuse_change")
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION public.refuse_change() RETURNS trigger"
            " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        cursor.execute("SELECT ledger_new_epoch()")
    assert _body("refuse_change") != right
    call_command("migrate", verbosity=0)
    assert _body("refuse_change") == right
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT ledger_epoch()")
        assert cursor.fetchone() == (2,)
