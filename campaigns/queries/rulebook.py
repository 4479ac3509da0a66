"""The program as intake needs it: rules compiled, currencies, tiers and the zone.

Kept in the process until the program's version changes; opening a purchase
reports the version, so that nothing stale ever judges one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from campaigns.earning import windows
from campaigns.earning.event_types import EventType, compile_type
from campaigns.earning.results import Pending, pending_of
from campaigns.earning.rules import (
    Cap,
    CompiledRule,
    Fact,
    compile_caps,
    compile_definition,
    trigger_of,
)
from campaigns.earning.stacking import EVERYTHING, Stacking, compile_stacking
from campaigns.earning.windows import Window
from campaigns.models import Publication, RuleVersion
from loyalty_site.lib import money
from members.lots import ExpiryPolicy, Period
from members.models import LedgerAccount, PointCurrency, Program
from members.queries.grading import ProgramGrading, grading_of
from members.queries.program import NoProgram, UnknownCurrency

HISTORY_ATTRIBUTES = (b'"member.purchases_count"', b'"member.days_since_purchase"')
SEGMENT_ATTRIBUTES = (b'"member.segment"',)
STANDING_ATTRIBUTES = (
    *(b'"member.tag"', b'"member.rfm"', b'"member.stage"', b'"member.score.'),
    *(b'"member.identifier', b'"member.consent"'),
    b'"member.attribute.',
)


@dataclass(frozen=True, slots=True)
class Currency:
    """A point currency with its counter-account for what is issued.

    ``renewed_by`` names the acts that renew its lots, now or under an earlier model.
    """

    id: int
    code: str
    is_redeemable: bool
    expiry: ExpiryPolicy
    pending: Pending
    returns_policy: str
    debt_limit: int
    grace_days: int
    issued_account: int
    renewed_by: frozenset[str] = frozenset()
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """The rules of one publication by their trigger, in order, and their versions' rows."""

    number: int
    effective_from: datetime | None
    rules: tuple[CompiledRule, ...]
    by_trigger: Mapping[str, tuple[CompiledRule, ...]]
    version_ids: Mapping[tuple[str, int], int]
    caps: tuple[Cap, ...] = ()
    stacking: Stacking = EVERYTHING
    published_at: datetime | None = None

    def rules_for(self, fact: Fact) -> tuple[CompiledRule, ...]:
        """Return the rules that answer to this kind of fact."""
        return self.by_trigger.get(trigger_of(fact), ())


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything about the program that does not depend on a member.

    ``needs_segments``, ``needs_history`` and ``needs_standing`` (tags, scores, answers, consents
    and identifiers) say which costly facts any rule asks for, ``windows`` how far back it asks
    what was bought. ``publications`` are the newest first. ``renewable`` are the currencies
    whose points acts renew.
    """

    program_id: int
    version: int
    currency: str
    minor_digits: int
    locale: str
    zone: ZoneInfo
    claim_days: int
    currencies: Mapping[str, Currency]
    points_code: str
    grading: ProgramGrading | None
    publications: tuple[Published, ...]
    needs_segments: bool
    needs_history: bool
    renewable: tuple[Currency, ...] = ()
    needs_standing: bool = False
    windows: frozenset[Window] = frozenset()
    leap_day: str = "feb28"
    event_types: Mapping[str, EventType] = field(default_factory=dict)

    def rules_at(self, occurred_at: datetime) -> Published | None:
        """Return the newest publication that holds for what occurred then."""
        for each in self.publications:
            if each.effective_from is None or each.effective_from <= occurred_at:
                return each
        return None


_kept: dict[str, Rulebook] = {}


def current(version: int | None = None) -> Rulebook:
    """Return the rulebook, read again when ``version`` is not the one kept.

    :raises NoProgram: no program file has been applied.
    """
    kept = _kept.get("main")
    if kept is None or (version is not None and kept.version != version):
        kept = _kept["main"] = _load()
    return kept


def latest() -> Rulebook:
    """Return the rulebook as it is in the database, which costs a look at its version.

    :raises NoProgram: no program file has been applied.
    """
    kept = _kept.get("main")
    row = Program.objects.values_list("pk", "version").first()
    if kept is None or row != (kept.program_id, kept.version):
        kept = _kept["main"] = _load()
    return kept


def spoken_currency(code: str | None) -> str:
    """Return the point currency that an answer speaks of: the one asked for, or the first.

    :raises UnknownCurrency: there is none of that code.
    """
    book = current()
    if code is None:
        return book.points_code
    if code not in book.currencies and code not in latest().currencies:
        raise UnknownCurrency
    return code


def forget() -> None:
    """Empty this process's memory of the program; tests change databases under it."""
    _kept.clear()


def _load() -> Rulebook:
    program = Program.objects.first()
    if program is None:
        raise NoProgram
    currencies = _currencies(program)
    publications = list(Publication.objects.filter(program=program).order_by("-number"))
    wanted = {version for each in publications for version in each.rule_versions}
    versions = {
        row.pk: row
        for row in RuleVersion.objects.filter(pk__in=wanted).select_related("rule").order_by("pk")
    }
    text = orjson.dumps([row.definition for row in versions.values()])
    return Rulebook(
        program_id=program.pk,
        version=program.version,
        currency=program.currency,
        minor_digits=money.minor_digits(program.currency),
        locale=program.locale,
        zone=ZoneInfo(program.timezone),
        claim_days=program.claim_days,
        currencies=currencies,
        points_code=next((c.code for c in currencies.values() if c.is_redeemable), ""),
        grading=grading_of(program),
        publications=tuple(
            _published(each, versions, program.locale, currencies) for each in publications
        ),
        needs_segments=any(name in text for name in SEGMENT_ATTRIBUTES),
        needs_history=any(name in text for name in HISTORY_ATTRIBUTES),
        needs_standing=any(name in text for name in STANDING_ATTRIBUTES),
        windows=windows.asked_by(row.definition for row in versions.values()),
        renewable=tuple(each for each in currencies.values() if each.renewed_by),
        leap_day=program.document.get("program", {}).get("leap_day") or "feb28",
        event_types={
            each["code"]: compile_type(each) for each in program.document.get("events") or ()
        },
    )


def _currencies(program: Program) -> dict[str, Currency]:
    issued = dict(
        LedgerAccount.objects.filter(program=program, kind="issued").values_list(
            "currency_id", "id"
        )
    )
    rows = PointCurrency.objects.filter(program=program).order_by("is_retired", "position", "pk")
    return {
        row.code: Currency(
            id=row.pk,
            code=row.code,
            is_redeemable=row.kind == PointCurrency.Kind.REDEEMABLE,
            expiry=expiry_policy(row.expiry),
            pending=pending_of(row.pending) or Pending(row.pending_days),
            returns_policy=row.returns_policy,
            debt_limit=row.debt_limit,
            grace_days=row.grace_days,
            issued_account=issued[row.pk],
            renewed_by=frozenset(row.expiry.get("renewed_by") or ()),
            value=row.value,
        )
        for row in rows
    }


def expiry_policy(stored: Mapping[str, Any]) -> ExpiryPolicy:
    """Return the policy of a currency from the JSON that its row holds."""
    month_day = stored.get("month_day")
    month, day = map(int, month_day.split("-")) if month_day else (0, 0)
    return ExpiryPolicy(
        model=stored.get("model") or "never",
        years=stored.get("years") or 0,
        months=stored.get("months") or 0,
        days=stored.get("days") or 0,
        round_to=stored.get("round_to") or "none",
        month_day=(month, day) if month_day else None,
        minimum_months=stored.get("minimum_months") or 0,
        periods=tuple(
            (each["tier"], Period(each["years"], each["months"], each["days"]))
            for each in stored.get("periods") or ()
        ),
    )


def _published(
    each: Publication,
    versions: Mapping[int, RuleVersion],
    locale: str,
    currencies: Mapping[str, Currency],
) -> Published:
    rows = [versions[pk] for pk in each.rule_versions]
    rules = tuple(_compiled(row.pk, row.version, _text(row.definition), locale) for row in rows)
    return Published(
        number=each.number,
        effective_from=each.effective_from,
        rules=rules,
        by_trigger=_by_trigger(rules),
        version_ids={(row.rule.code, row.version): row.pk for row in rows},
        caps=compile_caps(each.caps),
        stacking=compile_stacking(
            each.stacking, {code: currency.value for code, currency in currencies.items()}
        ),
        published_at=each.published_at,
    )


def _by_trigger(rules: Iterable[CompiledRule]) -> dict[str, tuple[CompiledRule, ...]]:
    grouped: dict[str, list[CompiledRule]] = {}
    for rule in rules:
        grouped.setdefault(rule.trigger, []).append(rule)
    return {trigger: tuple(listed) for trigger, listed in grouped.items()}


def _text(definition: Mapping[str, Any]) -> bytes:
    return orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)


# A version never changes, so that its compiled form is good for as long as the process lives;
# the text is part of the key because a test may number another version alike.
@lru_cache(maxsize=4096)
def _compiled(pk: int, version: int, text: bytes, locale: str) -> CompiledRule:
    definition = orjson.loads(text)
    definition["name"] = localized(definition.get("name"), locale)
    return compile_definition(definition, version)


def localized(value: Any, locale: str) -> str:
    """Return a text that is kept by language, in ``locale`` or the first there is."""
    if isinstance(value, Mapping):
        return str(value.get(locale) or next(iter(value.values()), ""))
    return str(value or "")
