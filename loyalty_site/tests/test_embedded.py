"""The embedded servers: started once, shared, recovered, stopped by the last."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from loyalty_site.broker import EmbeddedValkey, find_binary
from loyalty_site.database import OWNER, SITE, SUPERUSER, EmbeddedPostgres
from loyalty_site.embedded import everyone_can_reach, home_of
from loyalty_site.local import load_secrets

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PASSWORDS = {SUPERUSER: "super-secret", OWNER: "owner-secret", SITE: "site-secret"}
SHARE = """
import sys
from pathlib import Path
from loyalty_site.database import EmbeddedPostgres
from loyalty_site.tests.test_embedded import PASSWORDS
server = EmbeddedPostgres(Path(sys.argv[1]), role_passwords=PASSWORDS)
server.ensure()
print("leased", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # pytest's own folder is private, so that root's server would move away from it.
    path = Path(tempfile.mkdtemp(prefix="it's a test "))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder, role_passwords=PASSWORDS)
    server.ensure()
    yield server
    server.release()


def ask(server: EmbeddedPostgres, role: str, query: bytes) -> object:
    with psycopg.connect(server.url(role)) as connection:
        row = connection.execute(query).fetchone()
        return row and row[0]


def postmaster_of(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def wait_until_dead(pid: int) -> None:
    for _attempt in range(200):
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        if not state.strip() or state.startswith("Z"):
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} still lives")


def test_the_embedded_postgres_serves_three_roles_by_password_and_recovers_from_a_kill(
    postgres: EmbeddedPostgres,
) -> None:
    assert ask(postgres, SITE, b"SELECT current_user") == SITE
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url(SUPERUSER).replace("super-secret", "site-secret"))
    with psycopg.connect(postgres.url(OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS figure")
    killed = postmaster_of(postgres)

    os.kill(killed, signal.SIGKILL)
    wait_until_dead(killed)

    assert postgres.revive() is True
    assert postgres.revive() is False
    assert ask(postgres, OWNER, b"SELECT figure FROM kept") == 7


def test_a_server_that_is_restored_to_an_instant_is_used_once_it_has_read_its_log(
    folder: Path,
) -> None:
    server = EmbeddedPostgres(folder, role_passwords=PASSWORDS)
    server.ensure()
    with psycopg.connect(server.url(OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS figure")
    server.release()
    settings = server.data / "postgresql.auto.conf"
    for hot_standby in ("on", "off"):
        # There is no more of the log, and it takes a while to say so.
        settings.write_text(
            f"restore_command = 'sleep 1; false'\nhot_standby = {hot_standby}\n"
            "recovery_target_action = 'promote'\n"
        )
        (server.data / "recovery.signal").touch()
        # The passwords of then are not those of now: they can only be set after the end.
        later = EmbeddedPostgres(folder, role_passwords={**PASSWORDS, SITE: hot_standby * 5})

        later.ensure()

        try:
            assert ask(later, SITE, b"SELECT pg_is_in_recovery()") is False
            assert ask(later, OWNER, b"SELECT figure FROM kept") == 7
        finally:
            later.release()


def test_the_last_process_that_leaves_stops_the_server(postgres: EmbeddedPostgres) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SHARE, str(postgres.base.parent)],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "leased\n"
        pid = postmaster_of(postgres)

        postgres.release()
        assert ask(postgres, SITE, b"SELECT 1") == 1
        assert postgres.stop_if_unused() is False
        # Its lease goes with it, however it ends.
        other.kill()
    assert ask(postgres, SITE, b"SELECT 1") == 1

    assert postgres.stop_if_unused() is True
    wait_until_dead(pid)


def test_a_changed_password_is_told_and_not_worked_around(
    folder: Path, postgres: EmbeddedPostgres
) -> None:
    postgres.release()
    changed = PASSWORDS | {SUPERUSER: "another"}
    other = EmbeddedPostgres(folder, role_passwords=changed)

    with pytest.raises(RuntimeError, match="belong to other passwords"):
        other.ensure()

    other.stop_if_unused()
    postgres.ensure()


def test_the_embedded_valkey_keeps_its_queue_over_a_kill(folder: Path) -> None:
    binary = find_binary()
    if binary is None:
        pytest.skip("this machine has no Valkey")
    server = EmbeddedValkey(folder, binary=binary)
    server.ensure()
    server._command(b"RPUSH celery task")
    pid = int((server.base / "valkey.pid").read_text())
    # The append-only file is written to the disk once a second.
    time.sleep(1.2)

    os.kill(pid, signal.SIGKILL)
    wait_until_dead(pid)

    assert server.revive() is True
    assert server._command(b"LLEN celery") == b":1\r\n"
    server.release()
    assert server._is_alive() is False


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    first = load_secrets(tmp_path / "var")

    assert load_secrets(tmp_path / "var") == first
    assert (tmp_path / "var" / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert len({first["superuser_password"], first["owner_password"], first["site_password"]}) == 3


def test_data_move_away_only_as_root_below_a_private_folder(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    home = home_of(private / "var")

    assert everyone_can_reach(private / "var") is False
    if os.geteuid() == 0:
        assert home.parent == Path("/var/lib")
        assert home.name.startswith("loyalty-")
    else:
        assert home == private / "var"
