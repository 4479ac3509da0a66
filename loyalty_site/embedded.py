"""Running a server as a part of the site: leases, locks and the rights of the process.

Every process that uses the server holds a shared lock on the lease file; the last one out
stops the server. A lock is given back by the kernel when its process dies, however it dies.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import pwd
import stat
import subprocess
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

# A Unix socket's path holds 104 bytes on macOS and 108 on Linux, with the file's name.
SOCKET_FOLDER_BYTES_MAX = 85


class EmbeddedServerError(RuntimeError):
    """The embedded server could not be started; the message says what to do."""


def everyone_can_reach(path: Path) -> bool:
    """Return whether any user may pass through the existing part of the path."""
    return all(
        folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents) if folder.exists()
    )


def home_of(folder: Path) -> Path:
    """Return where the servers' data of this installation live.

    This is the folder itself, except as root below a private path: PostgreSQL refuses to
    run as root, and the unprivileged user it runs as could not reach the folder.
    """
    folder = folder.absolute()
    if os.geteuid() != 0 or everyone_can_reach(folder):
        return folder
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path("/var/lib") / f"loyalty-{key}"


class EmbeddedServer(ABC):
    """One child server that many processes share.

    Subclasses give ``_is_alive``, ``_start`` and ``_stop``, which are called under the
    installation's lock.
    """

    name = "server"

    def __init__(self, folder: Path) -> None:
        self.base = home_of(folder) / self.name
        self.uid: int | None = None
        self.gid: int | None = None
        if os.geteuid() == 0:
            entry = pwd.getpwnam("nobody")
            self.uid, self.gid = entry.pw_uid, entry.pw_gid
        self._lease: IO[str] | None = None
        self._leased_by = 0
        self._thread_lock = threading.Lock()

    @property
    def socket_folder(self) -> Path:
        """The folder of the server's socket, short enough for the kernel."""
        folder = self.base / "run"
        if len(os.fsencode(folder)) <= SOCKET_FOLDER_BYTES_MAX:
            return folder
        key = hashlib.sha256(str(self.base).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"loyalty-{self.name}-{os.geteuid()}-{key}"

    def ensure(self) -> None:
        """Start the server unless it runs, and keep it running for this process's life.

        A forked child takes a lease of its own. A repeated call is cheap.

        :raises EmbeddedServerError: the server cannot be started.
        """
        if self._leased_by == os.getpid():
            return
        with self._thread_lock:
            if self._leased_by == os.getpid():
                return
            self.base.mkdir(parents=True, exist_ok=True)
            if self.uid is not None:
                self.base.chmod(0o755)
            with self._mutex():
                self._prepare()
                if not self._is_alive():
                    self._start()
                lease = (self.base / "lease").open("a")
                fcntl.flock(lease, fcntl.LOCK_SH)
                self._lease, self._leased_by = lease, os.getpid()
            atexit.register(self.release)

    def release(self) -> None:
        """Give the lease back, and stop the server when nobody else holds one."""
        lease = self._lease
        if lease is None or self._leased_by != os.getpid():
            return
        self._lease, self._leased_by = None, 0
        with lease, self._mutex():
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return
            self._stop()

    def revive(self) -> bool:
        """Start the server again if it died while this process holds it; tell whether it did."""
        if self._is_alive():
            return False
        with self._mutex():
            if self._is_alive():
                return False
            self._start()
        return True

    def stop_if_unused(self) -> bool:
        """Stop a server that a killed process left running; return False when it is in use."""
        if not (self.base / "lease").exists():
            return True
        with self._mutex(), (self.base / "lease").open("a") as lease:
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            self._prepare()
            if self._is_alive():
                self._stop()
        return True

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs before anyone asks whether it runs."""

    @abstractmethod
    def _is_alive(self) -> bool:
        """Return whether the server answers."""

    @abstractmethod
    def _start(self) -> None:
        """Start it and wait until it answers."""

    @abstractmethod
    def _stop(self) -> None:
        """Stop it."""

    @contextlib.contextmanager
    def _mutex(self) -> Iterator[None]:
        with (self.base / "mutex").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _own(self, folder: Path, mode: int = 0o700) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_uid not in {os.geteuid(), self.uid}:
            raise EmbeddedServerError(f"{folder} belongs to another user; remove it")
        self._give(folder)
        folder.chmod(mode)

    def _give(self, path: Path) -> None:
        """Hand a file to the user that the server runs as."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def _process_options(self, extra_environment: dict[str, str]) -> dict[str, Any]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        options: dict[str, Any] = {
            "cwd": "/",
            "stdin": subprocess.DEVNULL,
            "env": inherited | {"LC_ALL": "C", "TZ": "UTC"} | extra_environment,
        }
        if self.uid is not None:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def _run(self, *arguments: object, **environment: str) -> tuple[int, str]:
        """Run a program as the server's user; return its exit status and output.

        The output goes through a file: a daemon that kept a pipe open would hang the caller.
        """
        with tempfile.TemporaryFile("w+") as output:
            finished = subprocess.run(
                [str(argument) for argument in arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                **self._process_options(environment),
            )
            output.seek(0)
            return finished.returncode, output.read()

    def _run_or_fail(self, *arguments: object, **environment: str) -> str:
        status, output = self._run(*arguments, **environment)
        if status:
            program = Path(str(arguments[0])).name
            raise EmbeddedServerError(f"{program} failed ({status}): {output[-3000:].strip()}")
        return output
