"""Databases beside the one under test, for what is restored into another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from conftest import SERVER, _point_at
from loyalty_site.database import EXTENSIONS, OWNER
from members.models import LedgerAccount, Member

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


def rights_of(database: str) -> list[tuple[Any, ...]]:
    """Return who may do what in the database."""
    with psycopg.connect(SERVER.urls(database)["superuser"]) as connection:
        return connection.execute(RIGHTS.encode()).fetchall()


def points_of(member: Member) -> dict[str, int]:
    """Return the member's balances of redeemable points by kind."""
    rows = LedgerAccount.objects.filter(member=member, currency_kind="redeemable")
    return dict(rows.values_list("kind", "balance"))
