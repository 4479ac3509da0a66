"""An installation of its own whose processes are killed while tills write to it.

Everything listens on the loopback or a socket, and only what was started here is killed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import psutil
import psycopg

from loyalty_site.broker import EmbeddedValkey, find_binary
from loyalty_site.database import EXTENSIONS, OWNER, SITE, SUPERUSER, EmbeddedPostgres
from loyalty_site.tests.sites import BASE_DIR, START_SECONDS_MAX, free_port

# What a till sends again: nobody answered, or the server said that it could not.
AGAIN = frozenset({500, 502, 503, 504, 409})
REDEEM_EVERY = 4
PASSWORDS = {SUPERUSER: "super-secret", OWNER: "owner-secret", SITE: "site-secret"}
# Commits are answered before they are on the disk, and the writer of the log sleeps.
UNSAFE = (
    f"ALTER ROLE {SITE} SET synchronous_commit = off",
    "ALTER SYSTEM SET wal_writer_delay = '10s'",
    "SELECT pg_reload_conf()",
)


class Installation:
    """PostgreSQL, web, worker and beat, each of which can be killed and started again."""

    def __init__(self, source: str, *, parts: Sequence[str], is_safe: bool = True) -> None:
        self.source = source
        self.parts = parts
        self.is_safe = is_safe
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Not pytest's own folder, which the server's user could not enter.
        self.folder = Path(tempfile.mkdtemp(prefix="crash-"))
        self.folder.chmod(0o755)
        self.server = EmbeddedPostgres(self.folder, role_passwords=PASSWORDS)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._valkey: EmbeddedValkey | None = None

    def __enter__(self) -> Self:
        """Copy the prepared database into a server of its own, and start everything."""
        try:
            self.server.ensure()
            self._copy_in()
            if not self.is_safe:
                for statement in UNSAFE:
                    self.server.sql(statement)
            if binary := find_binary():
                self._valkey = EmbeddedValkey(self.folder, binary=binary)
                self._valkey.ensure()
            for part in self.parts:
                self.start(part)
            self.wait_for_web()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what was started, and remove the folder."""
        self.close()

    def close(self) -> None:
        """Kill what was started, and remove the folder."""
        for part in list(self._processes):
            self._kill_process(part)
        self.server.release()
        if self._valkey is not None:
            self._valkey.release()
            # A killed process gives its lease back only when all of it has gone.
            self._valkey._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _copy_in(self) -> None:
        for extension in EXTENSIONS:
            self.server.sql(f"CREATE EXTENSION IF NOT EXISTS {extension}", database="loyalty")
        binaries = self.server.binaries
        dumped = subprocess.run(
            [binaries / "pg_dump", "--no-comments", f"--dbname={self.source}"],
            capture_output=True,
            check=True,
        )
        subprocess.run(
            [
                binaries / "psql",
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                self.database(SUPERUSER),
            ],
            input=dumped.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def database(self, role: str) -> str:
        """Return the URL of the database."""
        return self.server.url(role)

    def _command(self, part: str) -> list[str]:
        celery = [sys.executable, "-m", "celery", "-A", "loyalty_site.celery:app"]
        return {
            "web": [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
                *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
                *("--blocking-threads", "8", "--backlog", "1024"),
                "loyalty_site.wsgi:application",
            ],
            "worker": [
                *(*celery, "worker", "--concurrency", "1"),
                *("--without-gossip", "--without-mingle"),
            ],
            "beat": [*celery, "beat", "--pidfile", ""],
        }[part]

    def start(self, part: str) -> None:
        """Start a process; web is not waited for."""
        inherited = {k: v for k, v in os.environ.items() if not k.endswith("_URL")}
        told = {
            "VAR_DIR": str(self.folder),
            "DATABASE_URL": self.database(SITE),
            "BASE_URL": self.url,
            "EMAIL_URL": "memory://",
        }
        with (self.folder / f"{part}.log").open("ab") as output:
            self._processes[part] = subprocess.Popen(
                self._command(part),
                cwd=BASE_DIR,
                env=inherited | told,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_for_web(self) -> None:
        """Return when the site answers."""
        deadline = time.monotonic() + 2 * START_SECONDS_MAX
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                urllib.request.urlopen(f"{self.url}/healthz", timeout=5).close()
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "web.log").read_text(errors="replace")[-3000:])

    def crash(self, part: str) -> None:
        """Kill a part as a power cut of its machine would, and start it again."""
        if part == "postgres":
            self._kill_postgres()
            assert self.server.revive()
            return
        self._kill_process(part)
        self.start(part)
        if part == "web":
            self.wait_for_web()

    def _kill_process(self, part: str) -> None:
        process = self._processes.pop(part)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)

    def _kill_postgres(self) -> None:
        """Kill the postmaster and all its backends at once, so that none can tidy up."""
        pid = int((self.server.data / "postmaster.pid").read_text().splitlines()[0])
        postmaster = psutil.Process(pid)
        # Stopped first: it would else see its backends die and begin to recover.
        postmaster.suspend()
        family = [*postmaster.children(recursive=True), postmaster]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=30)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows that one who reads everything gets."""
        with psycopg.connect(self.database(SUPERUSER)) as connection:
            return connection.execute(sql.encode()).fetchall()


@dataclass
class Acknowledged:
    """What the tills were told was done: its id and its postings, by the name that they gave it.

    A purchase beyond the most that a day gives is kept and posts nothing.
    """

    purchases: dict[str, tuple[str, int]] = field(default_factory=dict)
    redemptions: dict[str, tuple[str, int]] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)


class Tills:
    """Writers that send one thing after the other, each until it is answered."""

    def __init__(self, url: str, token: str, members: Sequence[str]) -> None:
        self.url = url
        self.token = token
        self.answers = Acknowledged()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(number, member))
            for number, member in enumerate(members)
        ]

    def __enter__(self) -> Self:
        """Let all begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let all finish what they sent; a failed run does not wait for that."""
        self._over.set()
        for thread in self._threads:
            thread.join(5 if error else 120)

    def _write(self, number: int, member: str) -> None:
        turn = 0
        while not self._over.is_set():
            turn += 1
            name = f"{number}-{turn}"
            if turn % REDEEM_EVERY:
                kept, path, body = self.answers.purchases, "purchases", _purchase(name, member)
            else:
                kept, path, body = (
                    self.answers.redemptions,
                    "redemptions",
                    _redemption(name, member),
                )
            self.answers.sent.add(name)
            status, answer = self._until_answered(path, body)
            if status in {200, 201}:
                gives = path == "redemptions" or answer["points"]["granted"] > 0
                kept[name] = answer["id"], int(gives)
            elif answer.get("code") != "insufficient_points":
                self.answers.unexpected.append(f"{name}: {status} {answer}")

    def _until_answered(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        key = str(uuid4())
        deadline = time.monotonic() + 120
        while True:
            try:
                status, answer = self._post(path, body, key)
            except (OSError, http.client.HTTPException, ValueError) as error:
                status, answer = 503, {"code": repr(error)}
            is_open = status in AGAIN and answer.get("code") != "insufficient_points"
            if not is_open or time.monotonic() > deadline:
                return status, answer
            time.sleep(0.05)

    def _post(self, path: str, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {self.token}",
                "Idempotency-Key": key,
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)


def _purchase(name: str, member: str) -> dict[str, Any]:
    return {
        **{"source": "crash", "external_id": name, "currency": "EUR", "member": {"id": member}},
        "occurred_at": datetime.now(UTC).isoformat(),
        "lines": [{"line_id": "1", "quantity": "1", "unit_price": "10.00"}],
    }


def _redemption(name: str, member: str) -> dict[str, Any]:
    return {"member": {"id": member}, "reward": "coffee", "external_id": name}


@dataclass(frozen=True)
class Verdict:
    """What became of what was acknowledged; lists of names."""

    acknowledged: int
    lost: list[str]
    doubled: list[str]


def judge(installation: Installation, answers: Acknowledged) -> Verdict:
    """Compare what the tills were told with what the books hold, by name and by id."""
    lost, doubled = [], []
    for told, sql in (
        (
            answers.purchases,
            "SELECT p.external_id, p.public_id::text, (SELECT count(*) FROM"
            " members_ledgertransaction t JOIN members_pointcurrency c ON c.id = t.currency_id"
            " AND c.kind = 'redeemable' WHERE t.external_ref = p.public_id::text AND"
            " t.source = 'purchase' AND t.type = 'earn') FROM members_purchase p"
            " WHERE p.source = 'crash'",
        ),
        (
            answers.redemptions,
            "SELECT r.external_id, r.public_id::text, (SELECT count(*) FROM"
            " members_ledgertransaction t JOIN members_pointcurrency c ON c.id = t.currency_id"
            " AND c.kind = 'redeemable' WHERE t.external_ref = r.public_id::text AND"
            " t.source = 'redemption' AND t.type = 'redeem') FROM rewards_redemption r"
            " WHERE r.external_id <> ''",
        ),
    ):
        found: dict[str, list[tuple[str, int]]] = {}
        for name, public_id, posted in installation.ask(sql):
            found.setdefault(name, []).append((public_id, posted))
        lost += [name for name, posted in told.items() if posted not in found.get(name, [])]
        doubled += [n for n, rows in found.items() if len(rows) > 1 or rows[0][1] > 1]
        doubled += [name for name in found if name not in answers.sent]
    return Verdict(len(answers.purchases) + len(answers.redemptions), lost, doubled)


def schedule(seed: int, kills: dict[str, int]) -> list[tuple[str, float]]:
    """Return which part dies after how many seconds, in a random order that the seed repeats."""
    chance = random.Random(seed)
    parts = [part for part, times in kills.items() for _ in range(times)]
    chance.shuffle(parts)
    return [(part, chance.uniform(0.02, 0.8)) for part in parts]
