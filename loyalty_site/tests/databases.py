"""A server for tests: one migrated template, and a clone for whoever needs one."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg

from loyalty_site.database import EXTENSIONS, OWNER, SITE, SUPERUSER, EmbeddedPostgres, passwords
from loyalty_site.local import load_secrets

BASE_DIR = Path(__file__).resolve().parent.parent.parent
# What the template's content depends on.
SOURCES = (
    "*/migrations/*.py",
    "*/sql/*.sql",
    "loyalty_site/timetable.py",
    "loyalty_site/lib/sqlfiles.py",
    "loyalty_site/management/commands/migrate.py",
    "requirements.txt",
)
TEMPLATES_KEPT = 4


class TestServer:
    """The databases of one test process."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = EmbeddedPostgres(
            folder, role_passwords=passwords(load_secrets(folder)), is_durable=False
        )
        self.worker_database = f"test_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._template = ""

    def site_url(self, database: str) -> str:
        """Return the URL of the database for the site's role."""
        return self.server.url(SITE, database)

    def owner_url(self, database: str) -> str:
        """Return the URL of the database for the owner of the tables."""
        return self.server.url(OWNER, database)

    def urls(self, database: str) -> dict[str, str]:
        """Return the database's URLs by kind of login."""
        return {
            "site": self.site_url(database),
            "owner": self.owner_url(database),
            "superuser": self.server.url(SUPERUSER, database),
        }

    def next_name(self) -> str:
        """Return a name that no other database of the server has."""
        return f"{self.worker_database}_{next(self._numbers)}"

    def clone(self, name: str) -> None:
        """Make a database equal to the migrated template."""
        if not self._template:
            self.server.ensure()
            self._template = self._ensure_template()
        self.drop(name)
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" OWNER {OWNER}')

    def drop(self, name: str) -> None:
        """Remove the database, cutting off who is still connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, *statements: str, database: str = "postgres") -> list[str]:
        names: list[str] = []
        with psycopg.connect(self.server.url(SUPERUSER, database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                if cursor.description:
                    names = [str(row[0]) for row in cursor]
        return names

    def _ensure_template(self) -> str:
        name = f"template_{_digest_of_sources()}"
        with (self.folder / "template.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            existing = self._execute("SELECT datname FROM pg_database ORDER BY oid")
            self._drop_leftovers(existing)
            if name not in existing:
                self._migrate_template(name)
        return name

    def _migrate_template(self, name: str) -> None:
        draft = f"draft_{os.getpid()}"
        self._execute(f"CREATE DATABASE {draft} OWNER {OWNER}")
        self._execute(*(f"CREATE EXTENSION {name}" for name in EXTENSIONS), database=draft)
        urls = {"DATABASE_URL": self.site_url(draft), "DATABASE_OWNER_URL": self.owner_url(draft)}
        finished = subprocess.run(
            [sys.executable, BASE_DIR / "manage.py", "migrate", "--verbosity", "0"],
            env=os.environ | urls,
            cwd=BASE_DIR,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if finished.returncode:
            self.drop(draft)
            raise RuntimeError(f"The test database cannot be migrated:\n{finished.stdout}")
        self._execute("VACUUM ANALYZE", database=draft)
        self._execute(f'ALTER DATABASE {draft} RENAME TO "{name}"')

    def _drop_leftovers(self, existing: list[str]) -> None:
        """Drop what killed runs left, and templates of long ago."""
        for name in existing:
            found = re.fullmatch(r"(?:test|draft)_(\d+)(?:_\d+)?", name)
            if found and not Path(f"/proc/{found.group(1)}").exists() and Path("/proc").exists():
                self.drop(name)
        templates = [name for name in existing if re.fullmatch(r"template_[0-9a-f]{16}", name)]
        for name in templates[:-TEMPLATES_KEPT]:
            self.drop(name)


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(BASE_DIR.glob(pattern)):
            digest.update(f"{path.relative_to(BASE_DIR)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
