"""Settings are read as their type or stop the start with one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loyalty_site import env

BASE_DIR = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("_case", "value", "read", "message"),
    [
        ("word", "maybe", lambda: env.boolean("X", default=True), "X must be true or false"),
        ("text", "ten", lambda: env.integer("X", default=1), "X must be a whole number"),
        ("small", "0", lambda: env.integer("X", default=1, minimum=1), "X must be at least 1"),
        ("option", "prod", lambda: env.choice("X", ["local"], "local"), "X must be one of local"),
        ("scheme", "mysql://u@h/d", lambda: env.database("X"), "X must start with postgres://"),
        ("no user", "postgres://h/d", lambda: env.database("X"), "X must name a user"),
        ("no name", "postgres://u@h", lambda: env.database("X"), "X must name a user and a"),
        ("port", "postgres://u@h:x/d", lambda: env.database("X"), "X is not a valid URL"),
        ("cache", "mem", lambda: env.cache("X", "memory://"), "X must start with redis://"),
        ("mail", "smtp://", lambda: env.email("X", "console://"), "X must name a host"),
    ],
)
def test_a_wrong_setting_stops_with_one_line_that_names_it(
    _case: str,
    value: str,
    read: Callable[[], Any],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("X", value)

    with pytest.raises(SystemExit) as caught:
        read()

    assert message in str(caught.value)
    assert str(caught.value).startswith("Cannot start: ")
    assert "\n" not in str(caught.value)


def test_a_database_url_gives_up_its_escapes_options_and_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        "X", "postgres://us%40er:p%2Fw@/na%20me?host=/a%20b/run&port=5433&sslmode=require"
    )

    found = env.database("X")

    assert found == {
        "ENGINE": "loyalty_site.checked_backend",
        "NAME": "na me",
        "USER": "us@er",
        "PASSWORD": "p/w",
        "HOST": "/a b/run",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_a_database_url_can_turn_prepared_statements_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "postgres://u:p@h:5432/d?prepare_threshold=none")

    assert env.database("X")["OPTIONS"] == {"prepare_threshold": None}


def test_production_without_its_settings_prints_one_line_that_names_them_all() -> None:
    environment = {"PATH": os.environ["PATH"], "DEPLOYMENT": "production", "SECRET_KEY": "x" * 60}

    finished = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "DATABASE_URL, CELERY_BROKER_URL, CACHE_URL, ALLOWED_HOSTS" in finished.stderr
    assert "SECRET_KEY" not in finished.stderr


def test_the_example_names_every_setting_that_the_code_reads() -> None:
    example = (BASE_DIR / ".env.example").read_text()
    settings = (BASE_DIR / "loyalty_site" / "settings.py").read_text()
    names = {
        part.split('"')[0]
        for part in settings.replace("\n", "").split("env.")[1:]
        for part in [part.partition('("')[2]]
        if part.split('"')[0].isupper()
    }

    assert {"DEPLOYMENT", "DATABASE_URL", "VAR_DIR", "LOG_LEVEL"} <= names
    assert sorted(name for name in names if name not in example) == []
