"""The demo's supervisor: servers, data, and the three processes of a living site."""

from __future__ import annotations

import argparse
import errno
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loyalty_site.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("VAR_DIR") or ROOT / "var").absolute()
WILDCARD_HOSTS = {"0.0.0.0", "::"}
# Told by the preflight, so that bin/demo stops after the help.
HELP_SHOWN = 10
READY_SECONDS_MAX = 120


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="bin/demo",
        description="Starts a loyalty program on a year of real purchases. Ctrl-C stops it all;"
        " the data stay for the next start.",
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this and exit")
    parser.add_argument(
        "--members", default="300", metavar="N", help="households to load: a number or all (300)"
    )
    parser.add_argument(
        "--program",
        type=Path,
        default=ROOT / "demo" / "program.yaml",
        metavar="FILE",
        help="the program to apply (demo/program.yaml)",
    )
    parser.add_argument("--port", type=int, default=8000, help="where the site listens (8000)")
    parser.add_argument("--host", default="127.0.0.1", help="where the site listens (127.0.0.1)")
    parser.add_argument("--fresh", action="store_true", help="remove the data of before first")
    parser.add_argument(
        "--no-serve", action="store_true", help="stop after the data are loaded, serve nothing"
    )
    parser.add_argument("--preflight", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.help:
        parser.print_help()
        raise SystemExit(HELP_SHOWN if options.preflight else 0)
    if options.members != "all" and not options.members.isdecimal():
        parser.error(f"--members takes a number or all, not {options.members!r}")
    options.program = options.program.absolute()
    if not options.program.is_file():
        parser.error(f"--program: there is no file {options.program}")
    return options


def refuse_used_port(host: str, port: int) -> None:
    """End with a clear message when nobody could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SystemExit(
                    f"Port {port} of {host} is in use.{running_demo()}"
                    f" Take another: bin/demo --port {port + 1}"
                ) from None
            if error.errno == errno.EACCES:
                raise SystemExit(f"Port {port} needs root; take one above 1023 by --port") from None
            raise SystemExit(f"Cannot listen at {host}: {error.strerror}; see --host") from None
        except (OverflowError, socket.gaierror) as error:
            raise SystemExit(f"Cannot listen at {host}, port {port}: {error}") from None


def running_demo() -> str:
    """Return a hint when the demo of this folder is what runs, else nothing."""
    try:
        address = json.loads((VAR / "demo.json").read_text())["address"]
        with (VAR / "demo.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return f" This folder's demo already runs at {address}."
    except (OSError, ValueError, KeyError):
        return ""
    return ""


class Demo:
    """One run of the demo."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        shown = "localhost" if options.host in {"127.0.0.1", *WILDCARD_HOSTS} else options.host
        self.address = f"http://{f'[{shown}]' if ':' in shown else shown}:{options.port}"
        self.started = time.monotonic()
        self.servers: list[EmbeddedServer] = []
        self._lock: IO[str] | None = None

    def environment(self) -> dict[str, str]:
        """Return what the site's processes are started with."""
        host = self.options.host
        hosts = ["localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host]
        values = {
            "VAR_DIR": str(VAR),
            "BASE_URL": self.address,
            "ALLOWED_HOSTS": "*" if host in WILDCARD_HOSTS else ",".join(hosts),
            "CSRF_TRUSTED_ORIGINS": f"{self.address},http://127.0.0.1:{self.options.port}",
            "DJANGO_SETTINGS_MODULE": "loyalty_site.settings",
            "PYTHONUNBUFFERED": "1",
        }
        return values | {name: value for name, value in os.environ.items() if name != "VAR_DIR"}

    def lock(self) -> None:
        """Make sure that this folder's demo runs once."""
        VAR.mkdir(parents=True, exist_ok=True)
        self._lock = (VAR / "demo.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(
                running_demo().strip() or "This folder's demo is just starting elsewhere."
            ) from None

    def prepare(self) -> None:
        """Bring servers, tables, program and data to where the site can serve."""
        from demo.processes import stop_leftovers
        from loyalty_site.embedded import home_of

        stop_leftovers(VAR / "demo.json")
        if self.options.fresh:
            wipe()
        home = home_of(VAR)
        if home != VAR:
            print(
                f"  Running as root below a private folder: the servers' data live in {home}"
                " (--fresh removes them).",
                flush=True,
            )
        self._start_servers()
        self._manage("Preparing the database", "migrate", "--noinput", "--verbosity", "0")
        self._load()

    def _start_servers(self) -> None:
        began = time.monotonic()
        # The settings read the environment when they are first used.
        os.environ.update(self.environment())
        from django.conf import settings

        from loyalty_site.embedded import EmbeddedServerError

        wanted = [getattr(settings, "EMBEDDED_POSTGRES", None), settings.EMBEDDED_VALKEY]
        self.servers = [server for server in wanted if server]
        try:
            for server in self.servers:
                server.ensure()
        except EmbeddedServerError as error:
            raise SystemExit(f"Cannot start: {error}") from None
        names = [server.name for server in self.servers]
        say(f"Starting {' and '.join(names) or 'with the servers named'}", began)

    def _state(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((VAR / "demo-state.json").read_text())
        except (OSError, ValueError):
            return {}
        return state if state.get("database") == self._database() else {}

    @staticmethod
    def _database() -> str:
        url = os.environ.get("DATABASE_URL") or "embedded"
        return hashlib.sha256(url.encode()).hexdigest()

    def _remember(self, **facts: str) -> None:
        state = self._state() | facts | {"database": self._database()}
        (VAR / "demo-state.json").write_text(json.dumps(state))

    def _load(self) -> None:
        members, program = self.options.members, self.options.program
        wanted = {
            "program": hashlib.sha256(program.read_bytes()).hexdigest(),
            "members": members,
        }
        state = self._state()
        if {name: state.get(name) for name in wanted} == wanted:
            return
        # The load applies the program, moved to where its purchases end, and shows its progress.
        self._manage("", "load_demo", "--members", members, "--program", str(program))
        self._remember(**wanted)

    def _manage(self, title: str, *arguments: str) -> None:
        """Run a command of the site; quietly under a title, or showing what it prints."""
        began = time.monotonic()
        finished = subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            stdout=subprocess.PIPE if title else None,
            stderr=subprocess.STDOUT if title else None,
            text=True,
            check=False,
        )
        if finished.returncode:
            print(finished.stdout or "", file=sys.stderr, end="")
            raise SystemExit(f"bin/demo stops: manage.py {arguments[0]} failed")
        if title:
            say(title, began)

    def serve(self) -> None:
        """Start the site's processes, tell where it is, and stay until told to stop."""
        from demo.guide import show
        from demo.processes import Processes

        processes = Processes(
            root=ROOT,
            folder=VAR,
            environment=self.environment(),
            address=self.address,
            listen=(self.options.host, self.options.port),
            servers=self.servers,
        )
        with processes:
            began = time.monotonic()
            processes.wait_until_ready(READY_SECONDS_MAX)
            say("Starting web, worker and beat", began)
            show(
                address=self.address,
                root=ROOT,
                environment=self.environment(),
                seconds=time.monotonic() - self.started,
            )
            processes.watch()
        print("Stopped. The data stay; bin/demo starts it again.", flush=True)


def say(title: str, began: float) -> None:
    """Tell that a step is done, and how long it took."""
    print(f"  {title} ... {time.monotonic() - began:.1f} s", flush=True)


def wipe() -> None:
    """Remove everything that the demo has written."""
    from loyalty_site.broker import EmbeddedValkey
    from loyalty_site.database import EmbeddedPostgres
    from loyalty_site.embedded import home_of

    servers = [
        EmbeddedPostgres(VAR, role_passwords={}),
        EmbeddedValkey(VAR, binary=Path()),
    ]
    for server in servers:
        if not server.stop_if_unused():
            raise SystemExit("--fresh: another process still uses this demo's database; end it")
    for folder in {VAR, home_of(VAR)}:
        for name in ("postgres", "valkey", "log", "queue", "control"):
            shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("secrets.json", "demo-state.json", "demo.json"):
        (VAR / name).unlink(missing_ok=True)
    if home_of(VAR) != VAR:
        shutil.rmtree(home_of(VAR), ignore_errors=True)


def main() -> None:
    """Run the demo as the command line says."""
    options = parse(sys.argv[1:])
    if not options.no_serve:
        refuse_used_port(options.host, options.port)
    if options.preflight:
        return
    sys.path.insert(0, str(ROOT))
    demo = Demo(options)
    demo.lock()
    try:
        demo.prepare()
        if options.no_serve:
            print("Loaded. bin/demo serves it.")
        else:
            demo.serve()
    except KeyboardInterrupt:
        raise SystemExit("\nStopped.") from None


if __name__ == "__main__":
    main()
