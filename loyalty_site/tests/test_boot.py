"""Who the site may log in as, and how it is migrated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from loyalty_site import boot, database


@pytest.fixture
def production(settings: Any, tmp_path: Path) -> None:
    settings.IS_PRODUCTION = True
    settings.STATIC_ROOT = tmp_path


def log_in_as(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the default connection use another login of the same server."""
    from conftest import SERVER

    description = connections.settings["default"]
    connections["default"].close()
    monkeypatch.setitem(description, "USER", role)
    monkeypatch.setitem(description, "PASSWORD", SERVER.server.role_passwords[role])


@pytest.mark.parametrize(
    ("role", "message"),
    [
        (database.SUPERUSER, "logs in as postgres, which is a superuser"),
        (database.OWNER, "logs in as loyalty_owner, which owns the tables"),
    ],
)
def test_production_refuses_to_serve_as_a_role_with_power(
    role: str,
    message: str,
    production: None,
    committed_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log_in_as(role, monkeypatch)

    with pytest.raises(SystemExit, match=message):
        boot.check()
    connections["default"].close()


def test_production_serves_as_the_sites_role(production: None, committed_database: str) -> None:
    boot.check()


def test_production_refuses_to_serve_without_static_files(
    production: None, settings: Any, tmp_path: Path
) -> None:
    settings.STATIC_ROOT = tmp_path / "nothing"

    with pytest.raises(SystemExit, match="run bin/serve prepare"):
        boot.check()


@pytest.mark.parametrize(
    ("_case", "statement"),
    [
        ("owner", "SET ROLE loyalty_owner"),
        ("superuser", "SET ROLE postgres"),
        ("session", "SET SESSION AUTHORIZATION loyalty_owner"),
        ("grant", "GRANT loyalty_owner TO loyalty_site"),
        ("password", "ALTER ROLE loyalty_owner PASSWORD 'x'"),
        ("table", "CREATE TABLE public.mine (id int)"),
        ("truncate", "TRUNCATE members_member CASCADE"),
        ("trigger", "ALTER TABLE members_member DISABLE TRIGGER ALL"),
        ("replication", "SET session_replication_role = replica"),
    ],
)
def test_the_sites_role_can_become_nobody_else(
    _case: str, statement: str, site_connection: psycopg.Connection[Any]
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        site_connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "30s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "1min"),
    ],
)
def test_the_sites_role_waits_for_nothing_without_end(
    setting: str, value: str, site_connection: psycopg.Connection[Any]
) -> None:
    found = site_connection.execute(f"SHOW {setting}".encode()).fetchone()

    assert found == (value,)


def test_migrating_needs_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(connections.settings, "owner")

    with pytest.raises(CommandError, match="migrating needs DATABASE_OWNER_URL"):
        call_command("migrate", verbosity=0)


def test_migrating_again_changes_nothing(
    committed_database: str, owner_connection: psycopg.Connection[Any]
) -> None:
    rights = b"""
        SELECT table_name, privilege_type FROM information_schema.table_privileges
        WHERE grantee = 'loyalty_site' ORDER BY 1, 2
    """
    before = owner_connection.execute(rights).fetchall()

    call_command("migrate", verbosity=0)

    assert owner_connection.execute(rights).fetchall() == before
    assert len(before) > 100
