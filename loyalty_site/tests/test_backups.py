"""A dump comes back as it was, is proved and goes on; what is damaged changes nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError
from django.db import connection, connections

from conftest import SERVER
from loyalty_site.backups import dumps, programs
from loyalty_site.tests import club
from loyalty_site.tests.copies import (
    another_database,
    backup,
    forget,
    open_books,
    points_of,
    restore,
    rights_of,
)
from members.models import Purchase
from members.services import erasure_log, reconciliation
from members.tests.attack_table import ATTACKS, SITE_ONLY
from members.tests.scenes import set_scene
from members.tests.test_ledger_attacks import INTEGRITY, PRIVILEGE, _state_of

LATE = ("late entries to an old header", "a lot to an old header", "a lot use to an old header")


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """Give a folder for backups, in an installation that keeps a log of erasures."""
    settings.ERASURE_LOG = tmp_path / "installation" / "erasures.log"
    return tmp_path / "backups"


@pytest.fixture
def elsewhere(committed_database: str) -> Iterator[Callable[[], str]]:
    """Give the way to another, empty database; the value is its name."""
    with another_database(committed_database) as go:
        yield go


def ask(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return the rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def epochs() -> dict[int, int]:
    """Return how many headers each epoch has."""
    return dict(ask("SELECT epoch, count(*) FROM members_ledgertransaction GROUP BY 1"))


# Coming back ---------------------------------------------------------------------------------


def test_restored_database_is_proved_has_the_same_rights_and_goes_on(
    folder: Path, elsewhere: Callable[[], str], committed_database: str
) -> None:
    ana, _rui = open_books()
    before, headers = points_of(ana), epochs()[1]
    dump = backup(folder)
    copy = elsewhere()

    said = restore(dump)

    assert "0 differences" in said
    assert "Ready to serve." in said
    assert rights_of(copy) == rights_of(committed_database)
    assert points_of(ana) == before
    club.buy(ana, "20.00")
    club.redeem(ana)
    # Points and status points of the purchase, and the redemption.
    assert epochs() == {1: headers, 2: 3}
    assert reconciliation.verify().is_proved


def test_late_entries_to_headers_of_before_and_every_other_attack_are_refused(
    folder: Path, elsewhere: Callable[[], str], committed_database: str
) -> None:
    with psycopg.connect(SERVER.site_url(committed_database), autocommit=True) as site:
        scene = set_scene(site)
    dump = backup(folder)
    urls = SERVER.urls(elsewhere())

    restore(dump)

    found = {
        (role, name): _state_of(urls[role], attack, scene)
        for role, attacks in [("site", ATTACKS | SITE_ONLY), ("owner", ATTACKS)]
        for name, attack in attacks.items()
    }
    accepted = [k for k, state in found.items() if state[:2] != INTEGRITY and state != PRIVILEGE]
    assert accepted == []
    assert {found["owner", name][:2] for name in LATE} == {INTEGRITY}
    assert reconciliation.verify().is_proved


def test_sessions_do_not_come_back(folder: Path, elsewhere: Callable[[], str]) -> None:
    club.open_club()
    club.browser_of(club.join())
    dump = backup(folder)
    assert Session.objects.count() == 1
    elsewhere()

    assert "1 sessions ended" in restore(dump)

    assert Session.objects.count() == 0


def test_script_packed_by_hand_is_restored_as_well(
    folder: Path, elsewhere: Callable[[], str]
) -> None:
    ana, _rui = open_books()
    dump = backup(folder)
    target = programs.owner_target()
    program = programs.find_program("pg_restore", major=target.major)
    text = programs.run(program, "--no-owner", "--no-privileges", "--file=-", dump)
    lines = [line for line in text.splitlines() if "ON EXTENSION" not in line]
    packed = folder / "by-hand.sql.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    before = points_of(ana)
    elsewhere()

    assert "Ready to serve." in restore(packed)

    assert points_of(ana) == before


# Refusing ------------------------------------------------------------------------------------


def test_database_with_tables_is_replaced_only_when_told(folder: Path, elsewhere: Any) -> None:
    ana, _rui = open_books()
    dump = backup(folder)
    club.buy(ana, "20.00")

    with pytest.raises(CommandError, match=r"tables\. With --replace they are removed"):
        restore(dump)

    assert Purchase.objects.count() == 3
    assert epochs() == {1: 8}
    assert "Ready to serve." in restore(dump, "--replace")
    assert Purchase.objects.count() == 2
    assert ask("SELECT ledger_epoch()") == [(2,)]
    # Each restore is an epoch of its own, whatever epoch the dump was of.
    again = backup(folder)
    restore(again, "--replace")
    assert ask("SELECT ledger_epoch()") == [(3,)]


def test_database_in_use_is_not_replaced(folder: Path, committed_database: str) -> None:
    open_books()
    dump = backup(folder)

    with (
        psycopg.connect(SERVER.site_url(committed_database)),
        pytest.raises(CommandError, match="1 sessions use the database: stop web, worker and beat"),
    ):
        restore(dump, "--replace")

    assert Purchase.objects.count() == 2


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "bare"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.98])
def test_damaged_dump_changes_nothing(
    kept: float, with_manifest: bool, folder: Path, committed_database: str
) -> None:
    open_books()
    dump = backup(folder)
    dump.write_bytes(dump.read_bytes()[: int(dump.stat().st_size * kept)])
    if not with_manifest:
        dumps.manifest_path(dump).unlink()

    with pytest.raises(CommandError, match=r"manifest was written|Nothing was changed|pg_restore"):
        restore(dump, "--replace")

    assert Purchase.objects.count() == 2
    assert ask("SELECT ledger_epoch()") == [(1,)]


def test_script_that_ends_early_between_two_statements_changes_nothing(
    folder: Path, committed_database: str
) -> None:
    open_books()
    half = folder / "half.sql"
    folder.mkdir()
    half.write_text("CREATE TABLE public.half (x int);\n")

    with pytest.raises(CommandError, match="Nothing was changed: the dump ends early"):
        restore(half, "--replace")

    assert Purchase.objects.count() == 2


def test_entries_that_did_not_come_back_are_told(folder: Path, elsewhere: Any) -> None:
    open_books()
    dump = backup(folder)
    manifest = dumps.manifest_path(dump)
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"entries": told["entries"] + 1}))

    with pytest.raises(CommandError, match="12 entries came back and 13 were saved"):
        restore(dump, "--replace")


def test_program_that_is_missing_names_its_package(
    folder: Path, committed_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDED_POSTGRES_BIN", str(folder))
    monkeypatch.setenv("PATH", str(folder))

    with pytest.raises(CommandError, match=r"apt-get install postgresql-client-\d\d"):
        backup(folder)

    assert list(folder.glob("*.dump")) == []


def test_backup_without_the_owner_says_so(
    folder: Path, committed_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(connections.settings, "owner")

    with pytest.raises(CommandError, match="Set DATABASE_OWNER_URL"):
        backup(folder)


def test_older_dumps_are_removed_and_the_log_of_erasures_stays(
    folder: Path, committed_database: str
) -> None:
    _ana, rui = open_books()
    forget(rui)
    made = [backup(folder) for _ in range(3)]

    backup(folder, "--keep", "2")

    kept = sorted(folder.glob("*.dump"))
    assert len(kept) == 2
    assert made[2] in kept
    assert len(list(folder.glob("*.json"))) == 2
    assert len(erasure_log.read(folder / dumps.ERASURES).erasures) == 1
    assert {path.stat().st_mode & 0o077 for path in (folder, *kept)} == {0}


def test_base_backup_without_its_role_says_so(folder: Path, committed_database: str) -> None:
    with pytest.raises(CommandError, match="Set DATABASE_REPLICATION_URL"):
        backup(folder, "--base")
