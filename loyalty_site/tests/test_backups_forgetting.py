"""What was erased after a backup is erased again when the backup comes back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from loyalty_site.backups import dumps
from loyalty_site.tests import club
from loyalty_site.tests.copies import (
    CANARY,
    another_database,
    backup,
    forget,
    open_books,
    points_of,
    restore,
)
from members.models import Identifier, Member
from members.services import erasure_log, reconciliation


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


def test_member_erased_after_the_backup_is_erased_again(
    folder: Path, elsewhere: Callable[[], str], settings: Any
) -> None:
    ana, rui = open_books()
    dump = backup(folder)
    forget(rui)
    after = points_of(rui)
    elsewhere()

    said = restore(dump)

    assert "1 members erased again" in said
    rui.refresh_from_db()
    assert (rui.status, rui.first_name, rui.erased_at) == ("erased", "", club.NOW)
    assert not Identifier.objects.filter(member=rui).exists()
    assert points_of(rui) == after
    assert points_of(ana)["available"] > 0
    assert reconciliation.verify().is_proved
    # The log says when and which row, and not who.
    assert settings.ERASURE_LOG.read_text() == f"2026-06-24T12:00:00Z {rui.public_id}\n"
    assert settings.ERASURE_LOG.stat().st_mode & 0o077 == 0


def test_erasures_of_the_database_that_is_replaced_are_kept(
    folder: Path, committed_database: str, settings: Any
) -> None:
    _ana, rui = open_books()
    dump = backup(folder)
    settings.ERASURE_LOG = None
    forget(rui)

    said = restore(dump, "--replace")

    assert "1 erasures of the present database were added to the log" in said
    assert "1 members erased again" in said
    assert Member.objects.get(pk=rui.pk).status == "erased"


def test_backup_gathers_the_erasures_that_no_process_wrote(
    folder: Path, elsewhere: Callable[[], str], settings: Any
) -> None:
    _ana, rui = open_books()
    dump = backup(folder)
    settings.ERASURE_LOG = None
    forget(rui)
    call_command("backup", str(folder), "--erasures", stdout=io.StringIO())
    call_command("backup", str(folder), "--erasures", stdout=io.StringIO())
    elsewhere()

    assert "1 members erased again" in restore(dump)

    assert (folder / dumps.ERASURES).read_text().count(str(rui.public_id)) == 1


def test_without_a_log_the_member_would_come_back(
    folder: Path, elsewhere: Callable[[], str], settings: Any
) -> None:
    """The control of the tests above."""
    _ana, rui = open_books()
    dump = backup(folder)
    settings.ERASURE_LOG = None
    forget(rui)
    elsewhere()

    assert "0 members erased again" in restore(dump)

    assert Member.objects.get(pk=rui.pk).first_name == CANARY.title()


def test_erasure_that_is_rolled_back_is_not_logged(
    folder: Path, committed_database: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ana, rui = open_books()

    def fail(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("campaigns.services.erasure.Event.objects.filter", fail)
    with pytest.raises(RuntimeError):
        forget(rui)

    assert settings.ERASURE_LOG.exists() is False


def test_log_that_cannot_be_read_is_told_after_everything_else_was_done(
    folder: Path, elsewhere: Callable[[], str], settings: Any
) -> None:
    _ana, rui = open_books()
    dump = backup(folder)
    settings.ERASURE_LOG.parent.mkdir()
    # A process that was killed while it wrote leaves half a line.
    settings.ERASURE_LOG.write_text("2026-06-24T12:00:00Z 6f1b")
    forget(rui)
    elsewhere()

    with pytest.raises(CommandError, match=r"erasures.log: lines 1 are no erasures"):
        restore(dump)

    assert Member.objects.get(pk=rui.pk).status == "erased"


def test_member_erased_before_the_backup_and_one_unknown_to_it_are_passed_over(
    folder: Path, elsewhere: Callable[[], str]
) -> None:
    _ana, rui = open_books()
    forget(rui)
    dump = backup(folder)
    newcomer = club.join("Eva", at=club.NOW - timedelta(hours=1))
    forget(newcomer)
    elsewhere()

    assert "0 members erased again" in restore(dump)

    assert reconciliation.verify().is_proved


def test_server_restored_by_other_means_is_finished(
    folder: Path, committed_database: str, settings: Any
) -> None:
    """A base backup with the log, or a provider's snapshot, brings the database as it was."""
    _ana, rui = open_books()
    erasure_log.append(
        settings.ERASURE_LOG, [erasure_log.Erasure(rui.public_id, club.NOW - club.DAY)]
    )
    said = io.StringIO()

    call_command("restore", "--finish", stdout=said)

    assert "Epoch 2 of the ledger has begun." in said.getvalue()
    assert "1 members erased again" in said.getvalue()
    assert "Ready to serve." in said.getvalue()
    assert Member.objects.get(pk=rui.pk).status == "erased"
