"""Migrate as the owner, set the functions, give the site's role its rights, set the timetable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, CommandParser, call_command
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from loyalty_site import timetable
from loyalty_site.lib.sqlfiles import functions_of

# Two migrations at once would race each other, so the second waits for the first.
LOCK_KEY = 712_604_001
# Files of an app's ``sql`` folder whose functions are not replaced: the epoch is a number that
# a restored database has raised, and grants are no functions.
RUN_ONCE = frozenset({"epoch.sql", "grants.sql"})
# Lower apps first.
APPS = ("members", "rewards", "campaigns")

DEFAULT_PRIVILEGES = """
GRANT USAGE ON SCHEMA public TO {site};
ALTER DEFAULT PRIVILEGES IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {site};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {site};
"""


class Command(migrate.Command):
    """Django's command, run on the alias ``owner`` unless another is named."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, grant and synchronize."""
        alias = options["database"]
        if alias not in connections.settings:
            raise CommandError(
                "migrating needs DATABASE_OWNER_URL, the role that owns the tables;"
                " the role of DATABASE_URL cannot change them"
            )
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        try:
            self._grant(alias, [DEFAULT_PRIVILEGES])
            super().handle(*args, **options)
            if options["plan"] or options["check_unapplied"]:
                return
            self._finish(alias, options)
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK_KEY])

    def _finish(self, alias: str, options: dict[str, Any]) -> None:
        if self._cache_is_a_table():
            call_command("createcachetable", database=alias, verbosity=0)
        # Only a whole migration has every table that the functions name.
        if options["app_label"] is None:
            self._replace_functions(alias)
        self._grant(alias, [path.read_text() for path in grant_files()])
        # Only a whole migration has the scheduler's tables.
        if options["app_label"] is None:
            timetable.synchronize()

    @staticmethod
    def _cache_is_a_table() -> bool:
        return str(settings.CACHES["default"]["BACKEND"]).endswith("DatabaseCache")

    @staticmethod
    def _replace_functions(alias: str) -> None:
        """Make the functions those of the files, so that a change of one needs no migration."""
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            # One may call another that comes later.
            cursor.execute("SET LOCAL check_function_bodies = off")
            for path in function_files():
                for statement in functions_of(path.read_text(encoding="utf-8")):
                    cursor.execute(statement)

    @staticmethod
    def _grant(alias: str, statements: list[str]) -> None:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            for text in statements:
                cursor.execute(text.replace("{site}", _site_role()))


def _site_role() -> str:
    role: str = settings.DATABASES[DEFAULT_DB_ALIAS]["USER"]
    return str(connections[DEFAULT_DB_ALIAS].ops.quote_name(role))


def default_privileges() -> str:
    """Return the SQL by which the site gets its rights on tables as its owner makes them."""
    return DEFAULT_PRIVILEGES.replace("{site}", _site_role())


def grant_files() -> list[Path]:
    """Return the grants of each app that has some, in a settled order."""
    paths = [Path(app.path) / "sql" / "grants.sql" for app in apps.get_app_configs()]
    return sorted(path for path in paths if path.exists())


def function_files() -> list[Path]:
    """Return the files whose functions every whole migration replaces, in a settled order."""
    return [
        path
        for label in APPS
        for path in sorted((Path(apps.get_app_config(label).path) / "sql").glob("*.sql"))
        if path.name not in RUN_ONCE
    ]
