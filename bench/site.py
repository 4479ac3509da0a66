"""A site of the bench's own: servers, members, a client, and granian in front."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MEMBERS = 2_000
# The names that bin/serve knows them by. One process, since PostgreSQL wants the other core.
WORKERS = int(os.environ.get("WEB_WORKERS", "1"))
BLOCKING_THREADS = int(os.environ.get("WEB_THREADS", "8"))
READY_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Site:
    """Where the site answers and how to call it."""

    address: str
    token: str
    member: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End what was started here."""
        self.process.terminate()
        self.process.wait(15)


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def prepare(moment: datetime) -> None:
    """Migrate, apply the demo's program and enroll the members."""
    from django.core.management import call_command

    from campaigns.programfile import parse
    from campaigns.services import program

    call_command("migrate", verbosity=0)
    text = (ROOT / "demo" / "program.yaml").read_text(encoding="utf-8")
    program.apply(document=parse(text), moment=moment, actor="bench")
    enroll([f"88{number:08d}" for number in range(MEMBERS)], moment)


def enroll(cards: list[str], moment: datetime) -> None:
    """Enroll a member for each card; a repeat finds them."""
    from members.services.enrolment import enrol

    for card in cards:
        enrol(
            identifiers=[("card", card)],
            moment=moment,
            actor="bench",
            enrolled_at=moment.replace(year=moment.year - 1, day=1),
        )


def client_token(address: str) -> str:
    """Make a client with every scope and return a token of it."""
    from io import StringIO

    from django.core.management import call_command

    from loyalty_site.lib.auth import SCOPES

    printed = StringIO()
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    call_command("create_client", "Bench", *scopes, json=True, stdout=printed)
    made = json.loads(printed.getvalue())
    form = f"grant_type=client_credentials&client_id={made['client_id']}"
    form += f"&client_secret={made['client_secret']}"
    with urllib.request.urlopen(f"{address}/identity/o/api/token", form.encode()) as answer:
        token: str = json.load(answer)["access_token"]
    return token


def start(var: Path) -> Site:
    """Start granian over the bench's database."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "BASE_URL": address,
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("granian")),
            *("--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", str(WORKERS), "--blocking-threads", str(BLOCKING_THREADS)),
            *("--no-access-log", "loyalty_site.wsgi:application"),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait(address, process)
    token = client_token(address)
    found = call(address, token, "/api/v1/members?identifier=8800000000")
    return Site(address, token, found["results"][0]["id"], process)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{address}/healthz", timeout=2).close()
        except OSError:
            if process.poll() is not None:
                raise SystemExit("bin/bench: the site did not start") from None
            time.sleep(0.2)
        else:
            return
    raise SystemExit("bin/bench: the site did not answer in time")


def call(
    address: str, token: str, path: str, body: Any = None, key: str | None = None
) -> dict[str, Any]:
    """Return the JSON of one answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}{path}", data, headers)
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def program_of(name: str) -> str | None:
    """Return the path of a tool of Debian's packages, or None where it is missing."""
    found = shutil.which(name)
    if found:
        return found
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(candidates[-1]) if candidates else None
