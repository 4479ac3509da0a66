"""Program file text to a typed document, or every mistake in it with its path."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from loyalty_site.lib import calendars
from loyalty_site.lib.money import CURRENCIES

from . import (
    attribute_section,
    campaign_sections,
    cases,
    claim_section,
    crosscheck,
    donation_section,
    event_section,
    expiry_section,
    nodes,
    partner_section,
    pending_section,
    pool_section,
    rule_sections,
    stacking_section,
    transfer_sections,
)
from .document import (
    REWARD_KINDS,
    SEGMENT_KINDS,
    ExpirySection,
    PointsSection,
    ProgramDocument,
    ProgramSection,
    ReturnsSection,
    RewardLimitSection,
    RewardSection,
    RungSection,
    SegmentSection,
    TierPolicySection,
    TiersSection,
    TransfersSection,
    VoucherSection,
    WindowSection,
)
from .problems import ProgramFileError
from .reader import Problems, Reader
from .rule_document import Localized

Section = TypeVar("Section")

_DAYS_MAX: Final = 36_500
_SEGMENT_SCOPES: Final = frozenset({"member", "history"})


def parse(text: str) -> ProgramDocument:
    """Return the program that a YAML 1.2 text describes, with defaults filled.

    :raises ProgramFileError: something in it is not what a program can have; the error
        holds every mistake, each with path, line and what was expected.
    """
    tree = nodes.read(text)
    problems = Problems(tree.lines, tree.problems)
    if tree.value is None and problems.found:
        raise ProgramFileError(problems.found)
    return checked(tree.value, problems)


def from_canonical(value: Mapping[str, Any]) -> ProgramDocument:
    """Return the document of what ``canonical`` gave, for example as it was stored.

    :raises ProgramFileError: the stored program is not valid.
    """
    return checked(value, Problems({}))


def checked(value: object, problems: Problems) -> ProgramDocument:
    """Return the document of plain values.

    :raises ProgramFileError: what ``problems`` holds in the end.
    """
    document = _document(Reader(value, "", problems))
    if not problems.found:
        crosscheck.check(document, problems)
    if problems.found:
        raise ProgramFileError(problems.found)
    return document


def _document(reader: Reader) -> ProgramDocument:
    program = reader.section("program", _program)
    if program is None:
        reader.refuse("program", "the program with code, name, currency and timezone")
        program = ProgramSection("", "", "", "UTC", "en", ("en",), 30, None)
    zone, locale = program.zone, program.locale
    document = ProgramDocument(
        program=program,
        points=tuple(_each(_points(each, locale), each) for each in reader.readers("points")),
        tiers=reader.section("tiers", lambda inner: _tiers(inner, locale)),
        rules=tuple(
            _each(rule_sections.read(each, locale), each) for each in reader.readers("rules")
        ),
        caps=tuple(_each(rule_sections.read_cap(each), each) for each in reader.readers("caps")),
        campaigns=tuple(
            _each(campaign_sections.read(each, zone, locale), each)
            for each in reader.readers("campaigns")
        ),
        segments=tuple(_each(_segment(each, locale), each) for each in reader.readers("segments")),
        rewards=tuple(
            _each(_reward(each, zone, locale), each) for each in reader.readers("rewards")
        ),
        tests=tuple(_each(cases.read(each, zone), each) for each in reader.readers("tests")),
        partners=tuple(
            _each(partner_section.read(each, zone, locale), each)
            for each in reader.readers("partners")
        ),
        stacking=reader.section("stacking", stacking_section.read),
        claims=reader.section("claims", claim_section.read),
        pools=tuple(_each(pool_section.read(each), each) for each in reader.readers("pools")),
        attributes=tuple(
            _each(attribute_section.read(each, locale), each)
            for each in reader.readers("attributes")
        ),
        events=tuple(
            _each(event_section.read(each, locale), each) for each in reader.readers("events")
        ),
    )
    reader.close()
    return document


def _each(section: Section, reader: Reader) -> Section:
    reader.close()
    return section


def _program(reader: Reader) -> ProgramSection:
    locale = reader.locale("locale", default="en")
    zone = _zone(reader)
    return ProgramSection(
        code=reader.code(),
        name=reader.text("name"),
        currency=_money(reader),
        timezone=zone.key,
        locale=locale,
        languages=_languages(reader, locale),
        claim_days=reader.integer("claim_days", most=3650, default=30),
        effective_from=reader.moment("effective_from", zone),
        leap_day=_leap_day(reader),
        notice_days=_notice(reader),
    )


def _leap_day(reader: Reader) -> str | None:
    if reader.has("leap_day"):
        return reader.choice("leap_day", ("feb28", "mar1"))
    reader.raw("leap_day")
    return None


def _notice(reader: Reader) -> int | None:
    if not reader.has("notice_days"):
        return reader.raw("notice_days")  # type: ignore[no-any-return]  # it is missing or null
    return reader.integer("notice_days", most=365)


def _money(reader: Reader) -> str:
    currency = reader.text("currency")
    if currency and currency not in CURRENCIES:
        reader.refuse("currency", "an ISO 4217 code, such as EUR")
    return currency


def _zone(reader: Reader) -> ZoneInfo:
    name = reader.text("timezone")
    if name in available_timezones():
        return ZoneInfo(name)
    if name:
        reader.refuse("timezone", "an IANA time zone, such as Europe/Lisbon")
    return ZoneInfo("UTC")


def _languages(reader: Reader, locale: str) -> tuple[str, ...]:
    languages = reader.texts("languages")
    if languages and locale not in languages:
        reader.refuse("languages", f"a list with the program's own language {locale}")
    return languages or (locale,)


def _points(reader: Reader, locale: str) -> PointsSection:
    code = reader.code()
    if code in cases.EXPECT_KEYS:
        reader.refuse("code", f"a code other than {', '.join(cases.EXPECT_KEYS)}")
    kind = reader.choice("kind", ("redeemable", "qualifying"))
    return PointsSection(
        code=code,
        kind=kind,
        names=_plurals(reader, locale, code),
        value=reader.optional_decimal("value"),
        expiry=reader.section("expiry", expiry_section.read) or ExpirySection(),
        pending_days=reader.integer("pending_days", most=_DAYS_MAX, default=0),
        returns=reader.section("returns", _returns) or ReturnsSection(),
        transfers=_transfers(reader, kind),
        pending=reader.section("pending", pending_section.read),
    )


def _transfers(reader: Reader, kind: str) -> TransfersSection | None:
    if kind == "qualifying" and reader.has("transfers"):
        reader.refuse("transfers", "no transfers of points that lift tiers")
    return reader.section("transfers", transfer_sections.read)


def _plurals(reader: Reader, locale: str, code: str) -> dict[str, dict[str, str]]:
    """Return the plural forms of CLDR by language; ``other`` is the one that all have."""
    if not reader.has("names"):
        reader.raw("names")
        return {locale: {"one": code, "other": code}}
    names = Reader(reader.raw("names"), reader.at("names"), reader.problems)
    found = {}
    for tag in names.rest():
        forms = Reader(names.raw(tag), names.at(tag), reader.problems)
        if names.is_language(tag):
            found[tag] = _forms(forms)
        forms.close()
    if not found:
        names.problems.add(names.path, "plural forms by language")
    return found


def _forms(reader: Reader) -> dict[str, str]:
    forms = {
        form: reader.text(form)
        for form in ("zero", "one", "two", "few", "many")
        if reader.has(form)
    }
    return {**forms, "other": reader.text("other")}


def _returns(reader: Reader) -> ReturnsSection:
    return ReturnsSection(
        policy=reader.choice(
            "policy", ("only_pending", "within_balance", "into_debt"), default="into_debt"
        ),
        limit=reader.optional_integer("limit"),
        grace_days=reader.integer("grace_days", most=_DAYS_MAX, default=30),
    )


def _tiers(reader: Reader, locale: str) -> TiersSection:
    policy = reader.section("policy", _tier_policy)
    if policy is None:
        reader.refuse("policy", "the policy with currency and window")
        policy = TierPolicySection("", WindowSection("rolling", 12), "one_step", 0)
    ladder = tuple(_each(_rung(each, locale), each) for each in reader.readers("ladder"))
    thresholds = [rung.threshold for rung in ladder]
    if not thresholds or thresholds[0] != 0 or thresholds != sorted(set(thresholds)):
        reader.refuse("ladder", "tiers with rising thresholds, the first of them 0")
    return TiersSection(policy, ladder)


def _tier_policy(reader: Reader) -> TierPolicySection:
    window = reader.section("window", _window)
    if window is None:
        reader.refuse("window", "a window, such as {model: rolling, months: 12}")
        window = WindowSection("rolling", 12)
    return TierPolicySection(
        currency=reader.code("currency"),
        window=window,
        downgrade=reader.choice("downgrade", ("none", "one_step", "recompute"), default="one_step"),
        grace_days=reader.integer("grace_days", most=_DAYS_MAX, default=0),
        # Longer ago than a month a return must not reach: what was had since is had.
        undo_upgrade_days=reader.integer("undo_upgrade_days", most=31, default=0),
    )


def _window(reader: Reader) -> WindowSection:
    return WindowSection(
        model=reader.choice("model", ("rolling",), default="rolling"),
        months=reader.integer("months", least=1, most=120),
    )


def _rung(reader: Reader, locale: str) -> RungSection:
    return RungSection(
        code=reader.code(),
        name=reader.localized("name", locale),
        threshold=reader.integer("threshold"),
        benefits=_benefits(reader, locale),
    )


def _benefits(reader: Reader, locale: str) -> tuple[Localized, ...]:
    return tuple(
        Reader({"text": value}, path, reader.problems).localized("text", locale)
        for path, value in reader.items("benefits")
    )


def _segment(reader: Reader, locale: str) -> SegmentSection:
    kind = reader.choice("kind", SEGMENT_KINDS, default="dynamic")
    if kind == "static":
        if reader.has("where"):
            reader.refuse("where", "no condition, since a static segment is kept by hand")
        reader.raw("where")
        return SegmentSection(reader.code(), reader.localized("name", locale), None, kind)
    return SegmentSection(
        code=reader.code(),
        name=reader.localized("name", locale),
        where=rule_sections.condition(reader, "where", _SEGMENT_SCOPES, required=True) or {},
    )


def _reward(reader: Reader, zone: ZoneInfo, locale: str) -> RewardSection:
    kind = reader.choice("kind", REWARD_KINDS)
    section = RewardSection(
        code=reader.code(),
        kind=kind,
        name=reader.localized("name", locale),
        description=reader.localized("description", locale, required=False),
        points_price=reader.integer("points_price", least=1),
        stock=reader.optional_integer("stock"),
        tiers=reader.texts("tiers"),
        segment=reader.optional_text("segment"),
        limit=reader.section("limit", _reward_limit),
        voucher=reader.section("voucher", _voucher),
        redeemable_from=reader.moment("redeemable_from", zone),
        redeemable_to=reader.moment("redeemable_to", zone),
        value=reader.optional_decimal("value"),
        cost=reader.optional_decimal("cost"),
        donation=reader.section("donation", donation_section.read),
    )
    if section.donation is not None and kind != "donation":
        reader.refuse("donation", "a reward of kind donation")
    if kind == "discount_percent" and section.value is not None and section.value > Decimal(100):
        reader.refuse("value", "a percentage of at most 100")
    if _ends_before(section):
        reader.refuse("redeemable_to", "a moment after redeemable_from")
    return section


def _ends_before(section: RewardSection) -> bool:
    start, end = section.redeemable_from, section.redeemable_to
    return start is not None and end is not None and end <= start


def _reward_limit(reader: Reader) -> RewardLimitSection:
    return RewardLimitSection(
        per=reader.choice("per", ("member",), default="member"),
        period=reader.choice("period", calendars.PERIODS),
        uses=reader.integer("uses", least=1),
    )


def _voucher(reader: Reader) -> VoucherSection:
    valid_days = None
    if reader.has("valid_days"):
        valid_days = reader.integer("valid_days", least=1, most=_DAYS_MAX)
    else:
        reader.raw("valid_days")
    return VoucherSection(valid_days)
