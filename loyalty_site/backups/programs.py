"""PostgreSQL's own programs and the databases that they are pointed at."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.db import connections
from psycopg.conninfo import make_conninfo

from loyalty_site.database import binary_folders, major_version_of

OWNER_ALIAS = "owner"
# What Django and psycopg read from a database's options, and no program of PostgreSQL does.
NOT_FOR_PROGRAMS = frozenset({"prepare_threshold", "server_side_binding", "pool"})


class BackupFailed(RuntimeError):
    """A backup or a restore could not be made; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database as a program of PostgreSQL is told of it; the password goes another way."""

    conninfo: str
    password: str
    major: int


def owner_target() -> Target:
    """Return the site's database as its owner reaches it.

    :raises BackupFailed: the owner's URL is not set.
    """
    if OWNER_ALIAS not in connections.settings:
        raise BackupFailed("Set DATABASE_OWNER_URL: the site's own role cannot read everything.")
    # Connecting also starts the embedded server where it is the one.
    return target_of(connections.settings[OWNER_ALIAS], server_version() // 10_000)


def server_version() -> int:
    """Return the version of the server as PostgreSQL counts it: 180006 is 18.6."""
    with connections[OWNER_ALIAS].cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version_num')::int")
        version: int = cursor.fetchone()[0]
    return version


def target_of(alias: dict[str, Any], major: int) -> Target:
    """Return the database that Django's description names."""
    options = {k: v for k, v in alias["OPTIONS"].items() if k not in NOT_FOR_PROGRAMS}
    places = {"host": alias["HOST"], "port": alias["PORT"], "user": alias["USER"]}
    told = {name: value for name, value in places.items() if value}
    conninfo = make_conninfo("", dbname=alias["NAME"], **told, **options)
    return Target(conninfo, alias["PASSWORD"], major)


def find_program(name: str, *, major: int) -> Path:
    """Return the program of the server's own version, or the oldest newer one.

    An older program refuses a newer server.

    :raises BackupFailed: there is none.
    """
    found: dict[int, Path] = {}
    for path in _places_of(name):
        version = major_version_of(path) if path.is_file() else None
        if version == major:
            return path
        if version and version > major:
            found.setdefault(version, path)
    if found:
        return found[min(found)]
    raise BackupFailed(
        f"{name} {major} or newer is needed and was not found. On Debian and Ubuntu:"
        f" apt-get install postgresql-client-{major}. Or set EMBEDDED_POSTGRES_BIN to its folder."
    )


def _places_of(name: str) -> Iterator[Path]:
    for folder in binary_folders():
        yield folder / name
    if in_path := shutil.which(name):
        yield Path(in_path)


def run(
    program: Path,
    *arguments: object,
    password: str = "",
    stdin: IO[bytes] | None = None,
) -> str:
    """Run a program and return what it prints.

    :raises BackupFailed: it fails; its last words are the detail.
    """
    finished = subprocess.run(
        [str(program), *(str(argument) for argument in arguments)],
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        env=environment(password),
        check=False,
    )
    if finished.returncode:
        raise BackupFailed(f"{program.name}: {last_words(finished.stderr)}")
    return finished.stdout.decode()


def environment(password: str) -> dict[str, str]:
    """Return the environment of a program: nothing of libpq's but the password."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return inherited | {"LC_ALL": "C", "PGPASSWORD": password}


def last_words(output: bytes) -> str:
    """Return the end of a program's complaints, on one line."""
    return re.sub(r"\s+", " ", output.decode(errors="replace"))[-2000:].strip()
