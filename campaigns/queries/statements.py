"""A member's statement with what stands behind each line: its cause, its words, its receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from campaigns.models import Event
from campaigns.queries.receipts import receipts_for
from loyalty_site.lib import languages
from members.queries.statement import StatementRow
from rewards.models import Redemption

ABOUT_REWARDS: Final = frozenset({"redeem", "donate", "hold", "release", "redemption_reversal"})


@dataclass(frozen=True, slots=True)
class Source:
    """What caused a transaction; ``label`` is a name for people, empty where there is none."""

    kind: str
    id: UUID | None = None
    external_id: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement, ready to be shown."""

    row: StatementRow
    description: str
    source: Source
    receipt: Sequence[Mapping[str, Any]]


def statement_lines(rows: Sequence[StatementRow], spoken: Sequence[str]) -> list[Line]:
    """Return the lines of the rows, in their order.

    ``spoken`` are the languages to describe them in, from ``languages.preferred``.
    """
    sources = _sources(rows, spoken)
    tag = languages.lookup(spoken, [code for code, _name in settings.LANGUAGES])
    receipts = receipts_for([row.id for row in rows], tag or settings.LANGUAGE_CODE)
    with override(tag or settings.LANGUAGE_CODE):
        return [
            Line(row, _described(row, source), source, receipts.get(row.id, []))
            for row, source in zip(rows, sources, strict=True)
        ]


def _sources(rows: Sequence[StatementRow], spoken: Sequence[str]) -> list[Source]:
    """Return what caused each row; two look-ups whatever the number of rows."""
    redemptions = {
        found.public_id: Source(
            "redemption",
            found.public_id,
            found.external_id or None,
            languages.pick(found.reward.name, spoken, otherwise=found.reward.code),
        )
        for found in Redemption.objects.filter(
            public_id__in=_ids(rows, "redemption")
        ).select_related("reward")
    }
    events = {
        found.public_id: Source("event", found.public_id, found.external_id, found.type)
        for found in Event.objects.filter(public_id__in=_ids(rows, "event"))
    }
    known = redemptions | events
    sources = []
    for row in rows:
        found = known.get(id_) if (id_ := reference_id(row.reference)) is not None else None
        own = Source(row.source, row.source_id, row.source_external_id, row.store)
        sources.append(found if found is not None and found.kind == row.source else own)
    return sources


def _ids(rows: Sequence[StatementRow], kind: str) -> list[UUID]:
    found = [reference_id(row.reference) for row in rows if row.source == kind]
    return [id_ for id_ in found if id_ is not None]


def reference_id(reference: str) -> UUID | None:
    """Return the id with which a transaction's reference begins, None where it has none."""
    try:
        return UUID(reference[:36])
    except ValueError:
        return None


def _described(row: StatementRow, source: Source) -> str:
    words = _words().get(row.type, "") or row.type
    if row.type == "earn":
        words = _earned(source)
    elif row.type == "clawback" and source.external_id:
        words = _("Points taken back by return %(number)s") % {"number": source.external_id}
    elif row.type in ABOUT_REWARDS and source.label:
        words = _about_reward(row.type) % {"reward": source.label}
    return words


def _earned(source: Source) -> str:
    if source.kind == "purchase" and source.external_id:
        if source.label:
            told = {"number": source.external_id, "store": source.label}
            return _("Purchase %(number)s at %(store)s") % told
        return _("Purchase %(number)s") % {"number": source.external_id}
    if source.kind == "event" and source.label:
        return _("Points for: %(event)s") % {"event": source.label.replace("_", " ")}
    return _("Points earned")


def _about_reward(type_: str) -> str:
    if type_ == "redeem":
        return _("Redeemed: %(reward)s")
    if type_ == "donate":
        return _("Donated: %(reward)s")
    if type_ == "hold":
        return _("Points held for: %(reward)s")
    return _("Points given back: %(reward)s")


def _words() -> dict[str, str]:
    return {
        "activate": _("Points became available"),
        "hold": _("Points held"),
        "release": _("Held points given back"),
        "redeem": _("Points redeemed"),
        "redemption_reversal": _("Points given back"),
        "clawback": _("Points taken back by a return"),
        "expire": _("Points expired"),
        "reinstate": _("Expired points given back"),
        "adjust_credit": _("Points added by staff"),
        "adjust_debit": _("Points taken off by staff"),
        "transfer_out": _("Points transferred to somebody else"),
        "transfer_in": _("Points received from somebody else"),
        "pool_out": _("Points given to a pool"),
        "pool_in": _("Points received from a pool"),
        "exchange_out": _("Points exchanged"),
        "exchange_in": _("Points received in exchange"),
        "donate": _("Points donated"),
        "merge_out": _("Points moved to another membership"),
        "merge_in": _("Points moved from another membership"),
        "import": _("Points brought along"),
        "write_off": _("Points written off"),
    }
