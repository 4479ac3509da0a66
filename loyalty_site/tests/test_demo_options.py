"""What the demo refuses before it does anything."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent.parent


def preflight(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "demo/run.py", "--preflight", *arguments],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_used_port_is_told_with_the_option_that_takes_another() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        finished = preflight("--port", str(port))

    assert finished.returncode == 1
    assert f"Port {port} of 127.0.0.1 is in use." in finished.stderr
    assert f"bin/demo --port {port + 1}" in finished.stderr


def test_loading_alone_needs_no_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        finished = preflight("--no-serve", "--port", str(taken.getsockname()[1]))

    assert finished.returncode == 0


def test_wrong_options_are_named() -> None:
    members = preflight("--members", "many")
    program = preflight("--program", "nowhere.yaml")

    assert (members.returncode, program.returncode) == (2, 2)
    assert "--members takes a number or all, not 'many'" in members.stderr
    assert "--program: there is no file" in program.stderr


def test_help_is_shown_without_installing_anything() -> None:
    finished = preflight("--help")

    assert finished.returncode == 10
    assert "--no-serve" in finished.stdout
