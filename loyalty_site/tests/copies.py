"""Databases beside the one under test, and backups that are restored into them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command

from campaigns.queries import rulebook
from campaigns.services.erasure import erase_member
from conftest import SERVER, _point_at
from loyalty_site.database import EXTENSIONS, OWNER
from loyalty_site.tests import club
from members.models import LedgerAccount, Member

CANARY = "canary9e41"
# Who may do what, by names that stay the same in a copy.
RIGHTS = """
SELECT 'table ' || c.oid::regclass::text, c.relacl::text FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v', 'S')
UNION ALL
SELECT 'column ' || attrelid::regclass::text || '.' || attname, attacl::text FROM pg_attribute
WHERE attacl IS NOT NULL AND NOT attisdropped
UNION ALL
SELECT 'function ' || p.oid::regprocedure::text || ' of ' || proowner::regrole::text
  || CASE WHEN prosecdef THEN ' as its owner' ELSE '' END, p.proacl::text
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'trigger ' || tgname || ' of ' || tgrelid::regclass::text, tgenabled::text
FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1
"""


@contextmanager
def empty_database() -> Iterator[str]:
    """Give a database as an administrator prepares one, and let the site's connections use it."""
    name = SERVER.next_name()
    SERVER._execute(f'CREATE DATABASE "{name}" OWNER {OWNER} TEMPLATE template0')
    SERVER._execute(*(f"CREATE EXTENSION {each}" for each in EXTENSIONS), database=name)
    _point_at(name)
    try:
        yield name
    finally:
        _point_at(SERVER.worker_database)
        SERVER.drop(name)


@contextmanager
def another_database(present: str) -> Iterator[Callable[[], str]]:
    """Give the way from the present database to an empty one; it returns that one's name."""
    with empty_database() as name:
        _point_at(present)

        def go() -> str:
            _point_at(name)
            rulebook.forget()
            return name

        yield go


def backup(folder: Path, *options: str) -> Path:
    """Take a backup by the command and return the newest dump."""
    call_command("backup", str(folder), *options, stdout=io.StringIO())
    return max(folder.glob("*.dump"))


def restore(dump: Path, *options: str) -> str:
    """Restore by the command and return what it says."""
    said = io.StringIO()
    call_command("restore", str(dump), *options, stdout=said)
    return said.getvalue()


def open_books() -> tuple[Member, Member]:
    """Return two members with purchases and redemptions behind them."""
    club.open_club()
    ana, rui = club.join("Ana"), club.join(CANARY.title())
    for member in (ana, rui):
        club.buy(member, "500.00", at=club.NOW - 3 * club.DAY)
        club.redeem(member, at=club.NOW - 2 * club.DAY)
    return ana, rui


def forget(member: Member) -> None:
    """Erase the member, as their own page does."""
    erase_member(member=member, confirm=member.number, actor="member:1", moment=club.NOW)


def rights_of(database: str) -> list[tuple[Any, ...]]:
    """Return who may do what in the database."""
    with psycopg.connect(SERVER.urls(database)["superuser"]) as connection:
        return connection.execute(RIGHTS.encode()).fetchall()


def points_of(member: Member) -> dict[str, int]:
    """Return the member's balances of redeemable points by kind."""
    rows = LedgerAccount.objects.filter(member=member, currency_kind="redeemable")
    return dict(rows.values_list("kind", "balance"))
