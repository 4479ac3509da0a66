"""Segments that staff define: a new document made from the live one, applied like a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.programfile import from_canonical
from campaigns.services import program as programs
from members.models import Segment
from members.queries.program import NoProgram


@transaction.atomic
def define(
    *,
    code: str,
    name: Mapping[str, str],
    where: Mapping[str, Any] | None,
    actor: str,
    moment: datetime,
) -> Segment:
    """Make the segment part of the live program, or give the one of that code another condition.

    Without a condition it is kept by hand. Its members come with the next refresh. A repeat
    changes nothing.

    :raises ProgramFileError: the program cannot have it; paths are those of the program file.
    :raises NoProgram: no program file has been applied.
    """
    # The document is read after the lock: two people who define at once both find their segment.
    programs.lock()
    live = programs.live_document()
    if live is None:
        raise NoProgram
    row = {"code": code, "name": dict(name), "kind": None if where else "static", "where": where}
    rows = [dict(each) for each in live.get("segments") or ()]
    places = [place for place, each in enumerate(rows) if each["code"] == code]
    if places:
        rows[places[0]] = row
    else:
        rows.append(row)
    document = from_canonical({**live, "segments": rows})
    programs.apply(document=document, moment=moment, actor=actor)
    return Segment.objects.get(program__isnull=False, code=code)
