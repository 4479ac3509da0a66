"""The program as a file: what is read, what is refused, and that it round-trips."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.programfile import (
    Problem,
    ProgramFileError,
    canonical,
    dump,
    from_canonical,
    live_definitions,
    parse,
)
from members.lots import ExpiryPolicy

DEMO = Path(__file__).resolve().parents[2] / "demo" / "program.yaml"

CONTRACT = """
program: {code: main, name: Alva Club, currency: EUR, timezone: Europe/Lisbon, locale: en, claim_days: 30}
points:
  - {code: points, kind: redeemable, names: {en: {one: point, other: points}}, value: "0.01",
     expiry: {model: fixed_after, months: 12, round_to: month_end},   # or fixed_date, inactivity, never
     pending_days: 0, returns: {policy: into_debt, limit: 100000, grace_days: 30}}
  - {code: status, kind: qualifying}
tiers:
  policy: {currency: status, window: {model: rolling, months: 12}, downgrade: one_step, grace_days: 30}
  ladder:
    - {code: bronze, name: Bronze, threshold: 0}
    - {code: silver, name: Silver, threshold: 500}
    - {code: gold, name: Gold, threshold: 2000}
rules:
  - {code: base, name: 1 point per euro, trigger: purchase, effects: [{kind: earn_rate, currency: points, points: 1, per: "1.00", basis: net, rounding: floor}]}
  - {code: base-status, trigger: purchase, effects: [{kind: earn_rate, currency: status, points: 1, per: "1.00", basis: net, rounding: floor}]}
  - {code: gold-x2, trigger: purchase, when: {attr: member.tier, op: eq, value: gold}, effects: [{kind: multiply_base, currency: points, factor: "2"}]}
campaigns:
  - {code: dairy-days, name: Dairy days, starts_at: 2026-03-01T00:00, ends_at: 2026-03-08T00:00, budget_points: 50000, status: active,
     rules: [{code: dairy-plus, trigger: purchase, lines: {attr: line.category, op: eq, value: dairy},
              effects: [{kind: earn_rate, currency: points, points: 3, per: "1.00", basis: net, rounding: floor}],
              limits: [{per: member, period: day, points: 100}]}]}
segments:
  - {code: lapsed, name: Lapsed, where: {all: [{attr: member.days_since_purchase, op: gte, value: 90}]}}
rewards:
  - {code: coffee, kind: service, name: {en: Coffee}, points_price: 150, stock: null, voucher: {valid_days: 30}}
  - {code: tote, kind: physical, name: {en: Tote bag}, points_price: 900, stock: 40, tiers: [silver, gold], limit: {per: member, period: lifetime, uses: 1}}
tests:
  - {name: gold doubles, at: 2026-02-10T12:00, member: {tier: gold}, purchase: {lines: [{sku: X, category: toys, quantity: 1, unit_price: "10.00"}]}, expect: {points: 20}}
"""  # noqa: E501 - the example of the contract, to the letter

SMALLEST = """
program: {code: main, name: Club, currency: EUR, timezone: UTC}
points: [{code: points, kind: redeemable}]
"""


def problems(text: str) -> list[tuple[str, int | None]]:
    with pytest.raises(ProgramFileError) as refusal:
        parse(text)
    return [(each.path, each.line) for each in refusal.value.problems]


def test_the_contract_s_example_is_read_whole() -> None:
    document = parse(CONTRACT)

    assert document.program.timezone == "Europe/Lisbon"
    assert document.points[0].value == Decimal("0.01")
    assert document.points[0].expiry.policy() == ExpiryPolicy(
        "fixed_after", months=12, round_to="month_end"
    )
    assert document.default_currency == "points"
    assert document.rules[1].name == {"en": "base-status"}
    assert document.campaigns[0].starts_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert document.rewards[0].stock is None
    assert document.rewards[1].tiers == ("silver", "gold")
    assert document.tests[0].at == datetime(2026, 2, 10, 12, tzinfo=UTC)


def test_defaults_are_filled() -> None:
    program = canonical(parse(SMALLEST))

    assert program["program"] == {
        "code": "main",
        "name": "Club",
        "currency": "EUR",
        "timezone": "UTC",
        "locale": "en",
        "languages": ["en"],
        "claim_days": 30,
        "effective_from": None,
        "leap_day": None,
        "notice_days": None,
    }
    assert program["points"][0]["names"] == {"en": {"one": "points", "other": "points"}}
    assert program["points"][0]["returns"] == {
        "policy": "into_debt",
        "limit": None,
        "grace_days": 30,
    }
    assert program["tiers"] is None


@pytest.mark.parametrize(
    "text",
    [CONTRACT, SMALLEST, DEMO.read_text(encoding="utf-8")],
    ids=["the contract's example", "the smallest", "the demo's"],
)
def test_what_is_exported_reads_back_to_the_same_program(text: str) -> None:
    document = parse(text)

    stored = canonical(document)

    assert parse(dump(stored)) == document
    assert from_canonical(stored) == document
    assert canonical(from_canonical(stored)) == stored


def test_times_without_an_offset_are_the_program_s() -> None:
    text = CONTRACT.replace("ends_at: 2026-03-08T00:00", "ends_at: 2026-06-08T00:00").replace(
        "starts_at: 2026-03-01T00:00", "starts_at: 2026-03-01T00:00+03:00"
    )

    campaign = parse(text).campaigns[0]

    assert campaign.ends_at == datetime(2026, 6, 7, 23, tzinfo=UTC)
    assert campaign.starts_at == datetime(2026, 2, 28, 21, tzinfo=UTC)


def test_only_standing_rules_and_those_of_active_campaigns_are_live() -> None:
    text = CONTRACT.replace("status: active", "status: paused")

    active = [each["code"] for each in live_definitions(parse(CONTRACT))]
    paused = [each["code"] for each in live_definitions(parse(text))]

    assert active == ["base", "base-status", "gold-x2", "dairy-plus"]
    assert paused == ["base", "base-status", "gold-x2"]


def test_a_definition_carries_its_campaign_s_window_and_budget() -> None:
    assert live_definitions(parse(CONTRACT))[3]["campaign"] == {
        "code": "dairy-days",
        "starts_at": "2026-03-01T00:00:00+00:00",
        "ends_at": "2026-03-08T00:00:00+00:00",
        "budget_points": 50000,
    }


@pytest.mark.parametrize(
    ("_case", "old", "new", "path"),
    [
        ("unknown key", "locale: en,", "locale: en, color: red,", "program.color"),
        ("missing key", "currency: EUR, ", "", "program.currency"),
        ("unknown currency of money", "currency: EUR", "currency: EUX", "program.currency"),
        ("unknown zone", "Europe/Lisbon", "Europe/Atlantis", "program.timezone"),
        ("duplicate key", "claim_days: 30", "claim_days: 30, claim_days: 31", "program.claim_days"),
        ("negative days", "claim_days: 30", "claim_days: -1", "program.claim_days"),
        ("true is no number", "claim_days: 30", "claim_days: true", "program.claim_days"),
        ("unquoted decimal", 'value: "0.01"', "value: 0.01", "points[0].value"),
        ("a kind that is none", "kind: qualifying", "kind: gems", "points[1].kind"),
        ("a reserved code", "{code: status, kind", "{code: tier, kind", "points[1].code"),
        (
            "nothing after which to expire",
            "months: 12, round_to",
            "round_to",
            "points[0].expiry.months",
        ),
        ("a model that is none", "model: fixed_after", "model: later", "points[0].expiry.model"),
        ("a key of another model", "model: fixed_after", "model: never", "points[0].expiry.months"),
        (
            "spendable points as grade",
            "{currency: status",
            "{currency: points",
            "tiers.policy.currency",
        ),
        ("falling thresholds", "threshold: 2000", "threshold: 400", "tiers.ladder"),
        ("a first rung above zero", "threshold: 0", "threshold: 1", "tiers.ladder"),
        ("a rung twice", "code: silver", "code: bronze", "tiers.ladder[1].code"),
        (
            "a trigger that is none",
            "base, name: 1 point per euro, trigger: purchase",
            "base, trigger: payday",
            "rules[0].trigger",
        ),
        (
            "an effect that is none",
            "kind: multiply_base",
            "kind: divide",
            "rules[2].effects[0].kind",
        ),
        ("a factor of one", 'factor: "2"', 'factor: "1"', "rules[2].effects[0].factor"),
        (
            "an unknown point currency",
            "multiply_base, currency: points",
            "multiply_base, currency: gems",
            "rules[2].effects[0].currency",
        ),
        ("an unknown tier in a condition", "value: gold", "value: platinum", "rules[2].when.value"),
        ("an attribute out of scope", "attr: member.tier", "attr: line.sku", "rules[2].when.attr"),
        (
            "an event attribute for a purchase",
            "attr: member.tier",
            "attr: event.type",
            "rules[2].when.attr",
        ),
        (
            "a rule twice, also in a campaign",
            "code: dairy-plus",
            "code: base",
            "campaigns[0].rules[0].code",
        ),
        (
            "an end before its start",
            "ends_at: 2026-03-08T00:00",
            "ends_at: 2026-02-08",
            "campaigns[0].ends_at",
        ),
        ("no moment", "starts_at: 2026-03-01T00:00", "starts_at: soon", "campaigns[0].starts_at"),
        (
            "a moment out of range",
            "starts_at: 2026-03-01T00:00",
            "starts_at: 1969-12-31",
            "campaigns[0].starts_at",
        ),
        (
            "a limit of nothing",
            "period: day, points: 100",
            "period: day",
            "campaigns[0].rules[0].limits[0].points",
        ),
        (
            "a period that is none",
            "period: day",
            "period: hour",
            "campaigns[0].rules[0].limits[0].period",
        ),
        (
            "a segment of purchases",
            "attr: member.days_since_purchase",
            "attr: purchase.net",
            "segments[0].where.all[0].attr",
        ),
        ("a free reward", "points_price: 150", "points_price: 0", "rewards[0].points_price"),
        ("a kind of reward that is none", "kind: service", "kind: hug", "rewards[0].kind"),
        (
            "an unknown tier of a reward",
            "tiers: [silver, gold]",
            "tiers: [silver, tin]",
            "rewards[1].tiers[1]",
        ),
        ("a test without its moment", "at: 2026-02-10T12:00, ", "", "tests[0].at"),
        ("a test that expects nothing", "expect: {points: 20}", "expect: {}", "tests[0].expect"),
        (
            "a test of an unknown currency",
            "expect: {points: 20}",
            "expect: {gems: 20}",
            "tests[0].expect.gems",
        ),
        (
            "a test of an unknown rule",
            "expect: {points: 20}",
            "expect: {awards: {x: 1}}",
            "tests[0].expect.awards.x",
        ),
        (
            "a test of an unknown tier",
            "member: {tier: gold}",
            "member: {tier: tin}",
            "tests[0].member.tier",
        ),
        ("a NUL in quotes", "name: Bronze", 'name: "a\\0"', "tiers.ladder[0].name"),
        ("half a character", "name: Bronze", 'name: "\\ud800"', "tiers.ladder[0].name"),
        ("a name in no language", "name: Bronze", "name: {}", "tiers.ladder[0].name"),
        (
            "an operator that is a list",
            "op: eq, value: gold",
            "op: [eq], value: gold",
            "rules[2].when.op",
        ),
        ("a tag", "name: Bronze", "name: !!binary QQ==", "tiers.ladder[0].name"),
        (
            "a language that is none",
            "name: {en: Coffee}",
            "name: {English!: Coffee}",
            "rewards[0].name.English!",
        ),
    ],
)
def test_a_mistake_names_its_path(_case: str, old: str, new: str, path: str) -> None:
    assert old in CONTRACT

    found = problems(CONTRACT.replace(old, new, 1))

    assert path in [each for each, _ in found]
    assert all(line is not None for _, line in found)


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    text = """
program: {code: main, name: Club, currency: EUR, timezone: Mars, extra: 1}
points:
  - {code: points, kind: redeemable, value: 0.5}
rules:
  - {code: Base, trigger: purchase, effects: []}
"""

    with pytest.raises(ProgramFileError) as refusal:
        parse(text)

    assert [(each.path, each.line) for each in refusal.value.problems] == [
        ("program.timezone", 2),
        ("program.extra", 2),
        ("points[0].value", 4),
        ("rules[0].code", 6),
        ("rules[0].effects", 6),
    ]
    assert refusal.value.code == "program_file_invalid"
    assert refusal.value.figures["errors"][1] == {
        "path": "program.extra",
        "expected": "no such key",
        "line": 2,
    }
    assert "program.extra (line 2): expected no such key" in refusal.value.detail


def _tenfold(name: str) -> str:
    """Return a key that holds the key before it ten times."""
    items = ["1" if name == "a" else f"*{chr(ord(name) - 1)}"] * 10
    return f"{name}: &{name} [{', '.join(items)}]\n"


NO_PROGRAMS = {
    "nothing": "",
    "a list": "[1, 2]",
    "broken YAML": "program: {code: main",
    "two documents": SMALLEST + "---\n" + SMALLEST,
    "a control character": "program: \x00",
    "a key that is no text": SMALLEST + "? [a]\n: 1\n",
    "an alias of itself": "program: &a {x: *a}",
    "depth without end": "[" * 1000,
    "aliases that multiply": "".join(_tenfold(name) for name in "abcdefgh"),
}


@pytest.mark.parametrize("case", NO_PROGRAMS)
def test_what_is_no_program_is_refused_and_never_fails(case: str) -> None:
    assert problems(NO_PROGRAMS[case])


def test_yaml_is_that_of_version_1_2() -> None:
    text = SMALLEST.replace("name: Club", "name: yes").replace("code: main", "code: no")

    program = parse(text).program

    assert (program.code, program.name) == ("no", "yes")


def test_an_event_rule_takes_fixed_points_and_no_lines() -> None:
    rule = (
        "rules: [{code: a, trigger: 'event:news', lines: {attr: line.sku, op: eq, value: X},"
        " effects: [{kind: earn_rate, currency: points, points: 1, per: '1'}],"
        " limits: [{per: store, period: day, uses: 1}]}]"
    )

    assert [path for path, _ in problems(SMALLEST + rule)] == [
        "rules[0].effects[0].kind",
        "rules[0].limits[0].per",
        "rules[0].lines",
    ]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["program", "points", "rules", "code", "effects", "when", "names"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=25,
    )
)
def test_no_tree_of_values_makes_reading_fail(value: Any) -> None:
    tree = value if isinstance(value, dict) else {"program": value}

    found: tuple[Problem, ...] = ()
    try:
        from_canonical(tree)
    except ProgramFileError as refusal:
        found = refusal.problems

    # No such tree names a currency and a time zone, so that each is refused, and in words.
    assert found
