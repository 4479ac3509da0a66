"""Run the SQL files of an app as migrations, forward and back."""

from __future__ import annotations

import re
from pathlib import Path

from django.db.migrations.operations import RunSQL

_FUNCTION = re.compile(r"^CREATE (?:OR REPLACE )?FUNCTION (public\.\w+)\s*\(", re.MULTILINE)


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
