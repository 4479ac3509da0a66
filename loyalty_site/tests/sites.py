"""The site served over HTTP on the loopback, for tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.test.testcases import LiveServerThread

BASE_DIR = Path(__file__).resolve().parent.parent.parent
START_SECONDS_MAX = 60


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the request is logged by the site itself."""


class _Server(ThreadedWSGIServer):
    # Sixty-four clients that start together must not find the queue full.
    request_queue_size = 256

    def serve_forever(self, poll_interval: float = 0.05) -> None:
        """Serve, and notice soon that the test is over."""
        super().serve_forever(poll_interval)


class _SiteHandler(WSGIHandler):
    """The site itself: its own middleware serves the static files."""

    def __init__(self, _inner: object) -> None:
        super().__init__()


class _Thread(LiveServerThread):
    server_class = _Server

    def _create_server(self, connections_override: object = None) -> ThreadedWSGIServer:
        return _Server((self.host, self.port), _QuietHandler, allow_reuse_address=False)


class ThreadedSite:
    """The site in threads of this process; entering gives its URL."""

    def __enter__(self) -> str:
        """Start serving."""
        self._thread = _Thread("127.0.0.1", _SiteHandler)
        self._thread.daemon = True
        self._thread.start()
        self._thread.is_ready.wait(START_SECONDS_MAX)
        if self._thread.error:
            raise self._thread.error
        return f"http://127.0.0.1:{self._thread.port}"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving."""
        self._thread.terminate()


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class GranianSite:
    """The site as it is served, in processes that a test may kill."""

    def __init__(self, urls: dict[str, str], *, workers: int = 1, threads: int = 8) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {
            "DATABASE_URL": urls["site"],
            "DATABASE_OWNER_URL": "",
            "BASE_URL": self.url,
        }
        self._arguments = [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", str(workers)),
            *("--blocking-threads", str(threads), "--backlog", "1024"),
            "loyalty_site.wsgi:application",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the processes and wait until they answer."""
        log = Path(settings.VAR_DIR) / "granian.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._arguments,
                cwd=BASE_DIR,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-3000:])
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """Kill all processes at once, giving none a chance to finish."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        self._process.wait(timeout=30)
        self._process = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self._end(signal.SIGKILL)
