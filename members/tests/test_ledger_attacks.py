"""What the database refuses, whoever asks: each attack in a login of its own, as either role.

The refusals are integrity errors, so that the site answers them as such; what the site's role
may not even try is refused for want of a privilege.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from conftest import SERVER
from members.tests.attack_table import ATTACKS, HONEST, SITE_ONLY
from members.tests.attacks import Attack, Scene
from members.tests.books import Connection
from members.tests.scenes import set_scene

INTEGRITY = "23"
PRIVILEGE = "42501"

REFUSED = (
    [("site", name) for name in ATTACKS]
    + [("site", name) for name in SITE_ONLY]
    + [("owner", name) for name in ATTACKS]
)


@pytest.fixture(scope="module")
def urls(django_db_setup: None) -> Iterator[dict[str, str]]:
    """Clone a database for all attacks; gives its logins."""
    name = SERVER.next_name()
    SERVER.clone(name)
    yield SERVER.urls(name)
    SERVER.drop(name)


@pytest.fixture(scope="module")
def scene(urls: dict[str, str]) -> Scene:
    """Write the books before the first attack."""
    with psycopg.connect(urls["site"], autocommit=True) as site:
        return set_scene(site)


@pytest.fixture(scope="module")
def witness(urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as one who reads everything."""
    with psycopg.connect(urls["superuser"], autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(("role", "name"), REFUSED, ids=str)
def test_attack_is_refused_and_moves_nothing(
    role: str, name: str, scene: Scene, urls: dict[str, str], witness: Connection
) -> None:
    before = _digest(witness)

    state = _state_of(urls[role], ATTACKS.get(name) or SITE_ONLY[name], scene)

    assert state.startswith(INTEGRITY) or state == PRIVILEGE
    assert _digest(witness) == before


def test_owner_lacks_no_privilege_but_those_of_the_server(
    scene: Scene, urls: dict[str, str]
) -> None:
    refused = {name: _state_of(urls["owner"], attack, scene) for name, attack in ATTACKS.items()}

    assert {name for name, state in refused.items() if state == PRIVILEGE} == {
        "triggers off for the session",
        "internal triggers off",
        "becoming the server's superuser",
        "making a superuser",
        "a program of the server",
    }


@pytest.mark.parametrize("name", HONEST)
def test_stroke_of_the_attacks_is_accepted_when_it_is_honest(
    name: str, scene: Scene, urls: dict[str, str]
) -> None:
    with psycopg.connect(urls["site"]) as connection:
        HONEST[name](connection, scene)
        connection.execute(b"SET CONSTRAINTS ALL IMMEDIATE")
        connection.rollback()


def _state_of(url: str, attack: Attack, scene: Scene) -> str:
    """Return the SQLSTATE with which the server refused the attack; empty when it did not."""
    with psycopg.connect(url) as connection:
        try:
            attack(connection, scene)
            connection.commit()
        except psycopg.Error as refusal:
            connection.rollback()
            return str(refusal.sqlstate)
    return ""


def _digest(witness: Connection) -> tuple[Any, ...]:
    """Return what changes when any row of the books does."""
    names = [f"members_ledger{name}" for name in ("account", "transaction", "entry", "hold")]
    parts = ", ".join(
        f"(SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {name} t)"
        for name in (*names, "members_pointlot", "members_lotuse")
    )
    row = witness.execute(f"SELECT {parts}".encode()).fetchone()
    return row or ()
