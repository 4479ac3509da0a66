"""Run the SQL files of an app as migrations, and find the functions in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.db.migrations.operations import RunSQL

_FUNCTION = re.compile(r"^CREATE (?:OR REPLACE )?FUNCTION (public\.\w+)\s*\(", re.MULTILINE)
# What a semicolon does not end: quoted bodies, texts and comments.
_TOKEN = re.compile(r"\$\$.*?\$\$|'(?:[^']|'')*'|--[^\n]*|;|[^$'\-;]+|.", re.DOTALL)


def run_sql_file(path: Path, *, undo: str = "") -> RunSQL:
    """Return the operation that runs the file.

    Backwards it runs ``undo`` and drops every function that the file creates,
    with the triggers that hang on it.
    """
    text = path.read_text(encoding="utf-8")
    drops = "".join(
        f"DROP FUNCTION IF EXISTS {name} CASCADE;\n" for name in reversed(_FUNCTION.findall(text))
    )
    return RunSQL(text, reverse_sql=f"{undo}\n{drops}")


def functions_of(text: str) -> Iterator[str]:
    """Yield the statements of an SQL file that create or replace a function, in its order.

    They can be run again whenever the file changes; the tables, triggers and
    constraints beside them are made once, by the migration that runs the file.
    """
    for found in _FUNCTION.finditer(text):
        end = found.start()
        for token in _TOKEN.finditer(text, found.start()):
            end = token.end()
            if token.group() == ";":
                break
        yield text[found.start() : end]
