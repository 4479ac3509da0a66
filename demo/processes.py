"""The site's three processes as children of the demo: started, watched, and never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from loyalty_site.embedded import EmbeddedServer, EmbeddedServerError

STOP_SECONDS_MAX = 15
# A process that ends again and again is broken, and starting it once more hides that.
RESTARTS_MAX = 5
RESTART_WINDOW_SECONDS = 60
SERVER_LOOK_SECONDS = 2
SET_DEATH_SIGNAL = 1


def _die_with_parent() -> None:
    """Ask Linux to end this child when the demo is killed; elsewhere the next start does it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGTERM)


def _started_at(pid: int) -> str:
    """Return what tells this process from another that got its number later."""
    found = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def stop_leftovers(file: Path) -> None:
    """End the processes that a killed demo wrote down and could not stop."""
    try:
        groups = json.loads(file.read_text())["groups"]
    except (OSError, ValueError, KeyError):
        return
    for pid, started_at in groups:
        if started_at and _started_at(pid) == started_at:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


@dataclass
class _Part:
    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes]
    started_at: str
    restarts: list[float]


class Processes:
    """Web, worker and beat; entering starts them, leaving stops them."""

    def __init__(
        self,
        *,
        root: Path,
        folder: Path,
        environment: dict[str, str],
        address: str,
        listen: tuple[str, int],
        servers: list[EmbeddedServer],
    ) -> None:
        self.servers = servers
        self.root = root
        self.folder = folder
        self.environment = environment
        self.address = address
        self.listen = listen
        self._is_stopping = False
        self._parts: list[_Part] = []

    def _commands(self) -> dict[str, list[str]]:
        host, port = self.listen
        celery = [sys.executable, "-m", "celery", "-A", "loyalty_site.celery:app"]
        return {
            "web": [
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
                *("--host", host, "--port", str(port), "--workers", "2"),
                *("--blocking-threads", "4", "--backlog", "1024"),
                # A worker that is told to stop while it starts does not hear it.
                *("--respawn-failed-workers", "--workers-kill-timeout", "5"),
                "loyalty_site.wsgi:application",
            ],
            "worker": [
                *(*celery, "worker", "--concurrency", "2"),
                *("--without-gossip", "--without-mingle"),
            ],
            "beat": [*celery, "beat", "--pidfile", ""],
        }

    def __enter__(self) -> Self:
        """Start all, and stop on the signals that ask for it."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        (self.folder / "log").mkdir(exist_ok=True)
        for name, command in self._commands().items():
            log = self.folder / "log" / f"{name}.log"
            process = self._start(command, log)
            self._parts.append(_Part(name, command, log, process, _started_at(process.pid), []))
        self._write_down()
        return self

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _start(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            # A group of its own: Ctrl-C reaches the demo alone, which then stops them in order.
            return subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the demo has one thread
            )

    def _write_down(self) -> None:
        groups = [(part.process.pid, part.started_at) for part in self._parts]
        facts = {"address": self.address, "groups": groups}
        (self.folder / "demo.json").write_text(json.dumps(facts))

    def wait_until_ready(self, seconds: int) -> None:
        """Return when the site answers and nothing is behind.

        :raises SystemExit: it does not come to that in time, or was asked to stop.
        """
        deadline = time.monotonic() + seconds
        missing = "the site does not answer"
        while not self._is_stopping:
            missing = self._what_is_missing()
            if not missing:
                return
            self._restart_what_ended()
            if time.monotonic() > deadline:
                raise SystemExit(f"bin/demo stops: after {seconds} s {missing}; {self._logs()}")
            time.sleep(0.2)
        raise KeyboardInterrupt

    def _what_is_missing(self) -> str:
        host, port = self.listen
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                body: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            return f"/readyz answers {error.code}: {error.read(500).decode(errors='replace')}"
        except (OSError, ValueError):
            return "the site does not answer"
        # Events that wait in the outbox are work, and work does not keep the site from living.
        late = [item["name"] for item in body["behind"] if item["name"] != "outbox"]
        return f"no sign of life from {', '.join(late)}" if late else ""

    def _logs(self) -> str:
        return f"the logs are in {self.folder / 'log'}"

    def watch(self) -> None:
        """Stay until asked to stop, starting again what ended by itself."""
        looked_at = time.monotonic()
        while not self._is_stopping:
            self._restart_what_ended()
            if time.monotonic() - looked_at > SERVER_LOOK_SECONDS:
                self._revive_servers()
                looked_at = time.monotonic()
            time.sleep(0.3)
        print("\nStopping ...", flush=True)

    def _revive_servers(self) -> None:
        for server in self.servers:
            try:
                if server.revive():
                    print(f"  {server.name} ended; started it again", flush=True)
            except EmbeddedServerError as error:
                raise SystemExit(f"bin/demo stops: {error}") from None

    def _restart_what_ended(self) -> None:
        for part in self._parts:
            if part.process.poll() is None or self._is_stopping:
                continue
            # Children of a killed process would hold its port and its tasks.
            _end(part.process.pid, signal.SIGKILL)
            now = time.monotonic()
            part.restarts = [at for at in part.restarts if now - at < RESTART_WINDOW_SECONDS]
            part.restarts.append(now)
            if len(part.restarts) > RESTARTS_MAX:
                tail = part.log.read_text(errors="replace")[-1500:]
                raise SystemExit(
                    f"bin/demo stops: {part.name} ends again and again; {self._logs()}\n{tail}"
                )
            print(f"  {part.name} ended ({part.process.returncode}); starting it again", flush=True)
            part.process = self._start(part.command, part.log)
            part.started_at = _started_at(part.process.pid)
            self._write_down()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all: kindly, then by force."""
        self._is_stopping = True
        for part in self._parts:
            with contextlib.suppress(ProcessLookupError):
                part.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for part in self._parts:
            with contextlib.suppress(subprocess.TimeoutExpired):
                part.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            _end(part.process.pid, signal.SIGKILL)
            part.process.wait()
        (self.folder / "demo.json").unlink(missing_ok=True)


def _end(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
