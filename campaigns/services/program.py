"""Make the database equal to a program file, and say beforehand what that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from campaigns.models import Campaign, EarningRule, Publication, RuleVersion
from campaigns.programfile import (
    ProgramDocument,
    canonical,
    caps_of,
    from_canonical,
    live_definitions,
    stacking_of,
)
from campaigns.services import segments
from campaigns.services.campaign_rows import Hand, apply_campaigns
from campaigns.services.fair_change import Held, hold_back, open_changes
from campaigns.services.fair_change import write as write_changes
from loyalty_site.lib.errors import DomainError
from members.models import Program, Purchase
from members.services import attributes
from members.services import program as member_side
from members.services.partner_terms import apply_partners
from rewards.services import catalog

SECTIONS = ("points", "rules", "campaigns", "segments", "rewards", "attributes", "events")
# A program that cannot be changed once there is history: points already counted would lose
# their meaning.
FIXED = ("code", "currency", "timezone")
# Two applications at once would publish twice.
LOCK_KEY = member_side.LOCK_KEY


class ProgramHasHistory(DomainError):
    """Something is to change that purchases already rely on."""

    code = "program_has_history"
    title = "The program has purchases"
    cause = "Code, currency and time zone cannot change once purchases have been counted in them."
    remedy = "Keep them as they are, or start a new installation."


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the plan; ``sign`` is +, ~ or -."""

    sign: str
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.sign} {self.what}{': ' if self.detail else ''}{self.detail}"


def live_document() -> dict[str, Any] | None:
    """Return the program as it was last applied, or None before that."""
    program = Program.objects.first()
    return program.document if program and program.document else None


def lock() -> None:
    """Let nobody else rewrite the document until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])


def plan(document: ProgramDocument, moment: datetime | None = None) -> list[Change]:
    """Return what applying the document would change; nothing is written.

    With a moment, what needs a notice first stands in a line of its own, with the instant from
    which it can hold; without one the two documents are compared as they are.

    :raises ProgramHasHistory: it would change what purchases rely on.
    :raises NoticeCannotBeHeld: what needs a notice cannot be told from the rest.
    """
    wanted = _stored_form(document)
    current = live_document() or {}
    _refuse_rewriting(current, wanted)
    if moment is None:
        return _changes(current, wanted)
    held = hold_back(current=current, wanted=wanted, moment=moment, is_file=True)
    return [*_changes(current, held.wanted), *_notices(held)]


def _notices(held: Held) -> list[Change]:
    zone = held.document.program.zone
    withdrawn = [
        Change("-", f"announced {each.path}: {_short(each.after)}", "withdrawn")
        for each in held.dropped
    ]
    return withdrawn + [
        Change(
            "!",
            f"{each.path}: {_short(each.before)} -> {_short(each.after)}",
            f"from {at.astimezone(zone):%Y-%m-%d %H:%M} on, since it needs a notice",
        )
        for each, at in held.waiting
    ]


def _changes(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Change]:
    changes = _compare("program", current.get("program"), wanted["program"])
    changes += _compare("tiers", current.get("tiers"), wanted["tiers"])
    for section in SECTIONS:
        changes += _compare_rows(section, current.get(section) or [], wanted[section])
    changes += _compare("stacking", current.get("stacking"), wanted["stacking"])
    changes += _compare_rows("partners", current.get("partners") or [], wanted["partners"])
    changes += _compare("claims", current.get("claims"), wanted["claims"])
    changes += _compare_rows(
        "pools", _of_kind(current.get("pools") or []), _of_kind(wanted["pools"])
    )
    # A program that was stored before there were caps has none.
    changes += _compare_rows("caps", _named(current.get("caps") or []), _named(wanted["caps"]))
    return changes


def _named(caps: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**cap, "code": f"{cap['per']}_{cap['period']} {cap['currency']}"} for cap in caps]


def _of_kind(pools: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**pool, "code": pool["kind"]} for pool in pools]


def _stored_form(document: ProgramDocument) -> dict[str, Any]:
    # The embedded tests belong to the file; everything else is kept as it was read.
    stored: dict[str, Any] = orjson.loads(orjson.dumps(canonical(document)))
    return stored


def _refuse_rewriting(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    before = current.get("program")
    if before is None or not Purchase.objects.exists():
        return
    changed = [name for name in FIXED if before[name] != wanted["program"][name]]
    if changed:
        raise ProgramHasHistory(
            f"{', '.join(changed)} cannot change: the program has purchases.", fields=changed
        )


def _compare(what: str, before: Any, after: Any) -> list[Change]:
    if _said(before) == _said(after):
        return []
    if before is None:
        return [Change("+", what)]
    if after is None:
        return [Change("-", what, "retired")]
    return [Change("~", what, _differences(before, after))]


def _said(value: Any) -> Any:
    """Return the value without what is null: a key that came later says nothing then."""
    if isinstance(value, Mapping):
        return {key: _said(each) for key, each in value.items() if each is not None}
    return [_said(each) for each in value] if isinstance(value, list) else value


def _compare_rows(
    section: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[Change]:
    name = section if section == "points" else section[:-1]
    old = {row["code"]: row for row in before}
    new = {row["code"]: row for row in after}
    changes: list[Change] = []
    for code, row in new.items():
        changes += _compare(f"{name} {code}", old.get(code), row)
    changes += [Change("-", f"{name} {code}", "retired") for code in old if code not in new]
    return changes


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = [name for name in after if before.get(name) != after[name]]
    return "; ".join(
        f"{name} {_short(before.get(name))} -> {_short(after[name])}" for name in names
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


@transaction.atomic
def apply(
    *,
    document: ProgramDocument,
    moment: datetime,
    actor: str = "program",
    hand: Hand | None = None,
    is_file: bool = True,
) -> list[Change]:
    """Make the database equal to the document and return what changed.

    What makes points worth less holds once the program's notice has run: until then it is
    announced, and what held before stays. ``is_file`` is false for a document that is made from
    the live one, and hence says nothing of what is announced.

    What it publishes or retires holds for what is recorded from then on. History
    is never deleted. A repeat changes nothing. ``hand`` is the step of staff for which the
    document is applied, where there is one.

    :raises ProgramHasHistory: it would change what purchases rely on.
    :raises CampaignStepRefused: a campaign would take a step that there is not.
    :raises NoticeCannotBeHeld: what needs a notice cannot be told from the rest.
    """
    lock()
    stated, current = _stored_form(document), live_document() or {}
    _refuse_rewriting(current, stated)
    held = hold_back(current=current, wanted=stated, moment=moment, is_file=is_file)
    wanted, document = held.wanted, held.document
    changes = _changes(current, wanted)
    program = member_side.apply_program(wanted)
    apply_campaigns(
        program=program, rows=wanted["campaigns"], moment=moment, actor=actor, hand=hand
    )
    _publish(program, document, moment, actor, is_by_hand=not is_file)
    catalog.apply_rewards(
        program=program,
        rewards=wanted["rewards"],
        previous={row["code"]: row for row in current.get("rewards") or []},
        moment=moment,
    )
    segments.apply_segments(program=program, rows=wanted["segments"], moment=moment)
    attributes.apply_definitions(program=program, rows=wanted["attributes"])
    apply_partners(
        program=program,
        rows=[
            {**row, "currency": row["currency"] or document.default_currency}
            for row in wanted["partners"]
        ],
        moment=moment,
    )
    write_changes(program=program, held=held, wanted=stated, moment=moment, actor=actor)
    if changes:
        program.document = wanted
        program.version += 1
        program.save(update_fields=["document", "version"])
    return [*changes, *_notices(held)]


@transaction.atomic
def take_announced(*, moment: datetime) -> int:
    """Let the announced changes hold whose notice has run; return how many.

    A repeat finds nothing.

    :raises NoticeCannotBeHeld: the rest is no program without the parts that wait on.
    """
    lock()
    due = sum(each.effective_at <= moment for each in open_changes())
    current = live_document()
    if due and current is not None:
        apply(document=from_canonical(current), moment=moment, actor="notice", is_file=False)
    return due


def _publish(
    program: Program,
    document: ProgramDocument,
    moment: datetime,
    actor: str,
    *,
    is_by_hand: bool = False,
) -> None:
    versions = [_version(program, body, moment) for body in live_definitions(document)]
    ids = [version.pk for version in versions]
    caps, stacking = caps_of(document), stacking_of(document)
    EarningRule.objects.filter(program=program).exclude(
        pk__in=[version.rule_id for version in versions]
    ).update(is_retired=True)
    newest = Publication.objects.filter(program=program).order_by("-number").first()
    # The file's own moment is of the day on which it was written, not of later steps of staff.
    stated = None if is_by_hand else document.program.effective_from
    is_same = newest is not None and (
        (newest.rule_versions, newest.caps, newest.stacking) == (ids, caps, stacking)
    )
    if newest and is_same and stated in (None, newest.effective_from):
        return
    # Unbounded while nothing was counted; afterwards what happened before stays as it was.
    effective_from = stated or (moment if Purchase.objects.exists() else None)
    Publication.objects.create(
        program=program,
        number=newest.number + 1 if newest else 1,
        published_at=moment,
        effective_from=effective_from,
        rule_versions=ids,
        caps=caps,
        stacking=stacking,
        actor=actor,
    )


def _version(program: Program, body: Mapping[str, Any], moment: datetime) -> RuleVersion:
    campaign = body.get("campaign")
    rule, _ = EarningRule.objects.update_or_create(
        program=program,
        code=body["code"],
        defaults={
            "is_retired": False,
            "campaign": Campaign.objects.get(program=program, code=campaign["code"])
            if campaign
            else None,
        },
    )
    newest = rule.versions.order_by("-version").first()
    definition = orjson.loads(orjson.dumps(body))
    if newest is not None and newest.definition == definition:
        return newest
    return RuleVersion.objects.create(
        rule=rule,
        version=newest.version + 1 if newest else 1,
        definition=definition,
        published_at=moment,
    )
