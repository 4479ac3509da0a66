"""A member's copy of everything that is held about them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from loyalty_site.lib.wire import dumps
from members.models import DataExport, Member
from members.queries.held import Held, rows_held

KEPT_FOR: Final = timedelta(days=7)

# A cell that begins with one of these is run by spreadsheets instead of shown.
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


@transaction.atomic
def request_export(*, member: Member, moment: datetime) -> DataExport:
    """Return a copy made now, in the place of every earlier one; kept for a week."""
    Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    DataExport.objects.filter(member=member).update(state=DataExport.State.EXPIRED, content=None)
    export = DataExport.objects.create(
        member=member, requested_at=moment, expires_at=moment + KEPT_FOR
    )
    export.content = zipped(rows_held(member))
    export.state = DataExport.State.READY
    export.save(update_fields=["content", "state"])
    return export


def expire_exports(*, moment: datetime) -> int:
    """Empty the copies whose time is over; return how many. A repeat finds none."""
    over = DataExport.objects.filter(expires_at__lte=moment).exclude(state=DataExport.State.EXPIRED)
    return over.update(state=DataExport.State.EXPIRED, content=None)


def zipped(held: Held) -> bytes:
    """Return the tables as a ZIP of one JSON and one CSV file each."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for table, rows in held.items():
            archive.writestr(f"json/{table}.json", dumps(rows))
            archive.writestr(f"csv/{table}.csv", as_csv(rows))
    return out.getvalue()


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the same columns as CSV in which no cell is a formula."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA_STARTS) else value
    return dumps(value).decode().strip('"')
