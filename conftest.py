"""The databases, sites and browsers that tests run against.

A template database is migrated once by the owner and cloned for each worker; tests connect as
the site's role, as the site does. Tests that commit get a clone of their own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

BASE_DIR = Path(__file__).resolve().parent
sys.path.insert(0, str(BASE_DIR))
if "PYTEST_XDIST_WORKER" not in os.environ:
    # A worker inherits the environment of its controller, where this is done already.
    folder = Path(os.environ.get("VAR_DIR", BASE_DIR / "var")).absolute() / "test"
    os.environ["VAR_DIR"] = str(folder)

from loyalty_site.tests.budgets import budget_lines  # noqa: E402
from loyalty_site.tests.databases import TestServer  # noqa: E402 - its folder is named above

SERVER = TestServer(Path(os.environ["VAR_DIR"]))
# Settings are read when the first test module is imported, hence before any fixture runs.
os.environ |= {
    "DEPLOYMENT": "local",
    "DEBUG": "false",
    "DATABASE_URL": SERVER.site_url(SERVER.worker_database),
    "DATABASE_OWNER_URL": SERVER.owner_url(SERVER.worker_database),
    "CELERY_BROKER_URL": "memory://",
    "CACHE_URL": "memory://",
    "EMAIL_URL": "memory://",
    "BASE_URL": "http://localhost:8000",
    "LOG_LEVEL": "WARNING",
    "DJANGO_SETTINGS_MODULE": "loyalty_site.settings",
    # Playwright's synchronous interface runs an event loop in the test's thread.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}
for name in ("ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "API_RATE_LIMIT_PER_MINUTE"):
    os.environ.pop(name, None)

from django.conf import settings as site_settings  # noqa: E402 - reads the environment above

# Reading one setting loads them all, which is how pytest-django learns that there is a site.
assert site_settings.DATABASES


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    parser.addoption("--deep", action="store_true", help="also run what takes long")
    parser.addoption(
        "--ledger", action="store_true", help="run only what shows that the ledger can be trusted"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    """Let workers load this file before their settings.

    They inherit this environment, and pytest-django would load the settings that it names
    at once, with the database of their controller.
    """
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the deep tests out unless they are asked for, and keep what was selected."""
    if config.getoption("--ledger"):
        others = [item for item in items if not item.get_closest_marker("ledger")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker("ledger")]
    if config.getoption("--deep"):
        return
    skip = pytest.mark.skip(reason="runs with --deep")
    for item in items:
        if item.get_closest_marker("deep"):
            item.add_marker(skip)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Tell how long each kind of test took."""
    reports = [
        report
        for listed in terminalreporter.stats.values()
        for report in listed
        if isinstance(report, pytest.TestReport)
    ]
    terminalreporter.section("budgets")
    for line in budget_lines(reports, workers=config.getoption("numprocesses") or 1):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def is_deep(request: pytest.FixtureRequest) -> bool:
    """Whether the full figures are asked for instead of a slice."""
    return bool(request.config.getoption("--deep"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """Clone the template for this worker, and drop the clone at the end."""
    from django.db import connections

    SERVER.clone(SERVER.worker_database)
    yield
    with django_db_blocker.unblock():
        connections.close_all()
    SERVER.drop(SERVER.worker_database)


def _point_at(database: str) -> None:
    """Let every connection of this process, of all its threads, go to the database."""
    from django.core.cache import cache
    from django.db import connections

    connections.close_all()
    for alias in connections:
        # Threads share this description; each makes its connection from it.
        connections.settings[alias]["NAME"] = database
    cache.clear()


@pytest.fixture(autouse=True)
def own_checkpoints(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give each test a place of its own for checkpoints: they speak of one database only."""
    settings.CHECKPOINT_DIR = tmp_path_factory.getbasetemp() / f"checkpoints-{uuid4()}"


@pytest.fixture
def fresh_databases(
    django_db_setup: None, django_db_blocker: Any
) -> Callable[[], AbstractContextManager[str]]:
    """Give a test that needs one clone after the other a way to enter them; each has a name."""

    @contextmanager
    def fresh_database() -> Iterator[str]:
        name = SERVER.next_name()
        SERVER.clone(name)
        # Checkpoints speak of one database only.
        site_settings.CHECKPOINT_DIR = SERVER.folder / f"checkpoints-{name}"
        with django_db_blocker.unblock():
            _point_at(name)
            try:
                yield name
            finally:
                _point_at(SERVER.worker_database)
                SERVER.drop(name)

    return fresh_database


@pytest.fixture
def committed_database(
    fresh_databases: Callable[[], AbstractContextManager[str]],
) -> Iterator[str]:
    """Give a test that commits or uses threads a clone of its own; the value is its name."""
    with fresh_databases() as name:
        yield name


@pytest.fixture
def database_urls(committed_database: str) -> dict[str, str]:
    """Give the URLs of ``committed_database`` as ``site``, ``owner`` and ``superuser``."""
    return SERVER.urls(committed_database)


@pytest.fixture
def site_connection(database_urls: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """Log in as the site's role, outside Django."""
    with psycopg.connect(database_urls["site"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner_connection(database_urls: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    """Log in as the owner of the tables, outside Django."""
    with psycopg.connect(database_urls["owner"], autocommit=True) as connection:
        yield connection


@pytest.fixture
def live_site(committed_database: str) -> Iterator[str]:
    """Serve ``committed_database`` over HTTP in threads of this process; the value is the URL."""
    from loyalty_site.tests.sites import ThreadedSite

    with ThreadedSite() as url:
        yield url


@pytest.fixture
def granian_site(committed_database: str) -> Iterator[Any]:
    """Serve it in processes of its own, as in production; has ``url``, ``kill`` and ``start``."""
    from loyalty_site.tests.sites import GranianSite

    with GranianSite(SERVER.urls(committed_database)) as site:
        yield site


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Run a headless Chromium; the value is playwright's ``Browser``."""
    from loyalty_site.tests.browsers import launched_chromium

    with launched_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe_source() -> str:
    """Give the script of axe-core, to evaluate in a page."""
    from loyalty_site.tests.browsers import axe_script

    return axe_script()
