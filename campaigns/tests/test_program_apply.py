"""The program as a file: planned, applied, exported, and what it holds for."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Campaign, EarningRule, Publication, RuleVersion
from campaigns.programfile import parse
from campaigns.services import program
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    GOLD,
    NOON,
    PROGRAM,
    apply,
    balances,
    basket,
    buy,
    join,
    line,
    program_file,
    rule,
    standings,
)
from members.models import LedgerAccount, PointCurrency, Program, Tier

pytestmark = pytest.mark.django_db

BASE_DIR = Path(__file__).resolve().parents[2]
DEMO = BASE_DIR / "demo" / "program.yaml"


def printed(*command: Any) -> str:
    """Return what a command prints."""
    out = StringIO()
    call_command("program", *command, stdout=out)
    return out.getvalue()


def granted(at: datetime, *, moment: datetime) -> int:
    """Return what a purchase of ten euros gives."""
    points: int = buy(basket(at=at), moment=moment)["points"]["granted"]
    return points


# The commands --------------------------------------------------------------------------------


def test_a_plan_prints_and_writes_nothing() -> None:
    plan = printed("plan", DEMO)

    assert "+ program" in plan
    assert "+ rule base" in plan
    assert Program.objects.count() == 0


def test_an_application_has_to_be_agreed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())

    with pytest.raises(CommandError, match="nothing was applied"):
        call_command("program", "apply", str(DEMO), stdout=StringIO())

    assert Program.objects.count() == 0


def test_applying_twice_changes_nothing() -> None:
    printed("apply", DEMO, "--yes")
    before = (Program.objects.get().version, Publication.objects.count())

    again = printed("apply", DEMO, "--yes")

    assert again == "Nothing to change.\n"
    assert (Program.objects.get().version, Publication.objects.count()) == before


def test_what_is_exported_can_be_applied_with_nothing_to_change(tmp_path: Path) -> None:
    printed("apply", DEMO, "--yes")
    copy = tmp_path / "copy.yaml"
    copy.write_text(printed("export"), encoding="utf-8")

    assert printed("plan", copy) == "Nothing to change.\n"
    assert printed("apply", copy, "--yes") == "Nothing to change.\n"


def test_the_tests_in_the_file_are_run_without_writing() -> None:
    report = printed("check", DEMO)

    assert report.endswith(" passed, 0 failed\n")
    assert Program.objects.count() == 0


def test_a_mistake_names_its_path_and_nothing_is_applied(tmp_path: Path) -> None:
    broken = program_file(rules=[{**BASE, "effects": [{**BASE["effects"][0], "points": "many"}]}])
    path = tmp_path / "broken.yaml"
    path.write_text(json.dumps(broken), encoding="utf-8")

    with pytest.raises(CommandError, match=r"rules.*0.*points"):
        printed("apply", path, "--yes")

    assert Program.objects.count() == 0


def test_without_a_program_there_is_nothing_to_export() -> None:
    with pytest.raises(CommandError, match="no program yet"):
        printed("export")


# What is written -----------------------------------------------------------------------------


def test_a_changed_rule_becomes_a_new_version_and_the_old_one_stays() -> None:
    apply()
    changed = {**BASE, "name": "One for one"}

    apply(program_file(rules=[changed, BASE_STATUS, GOLD]), NOON)

    versions = RuleVersion.objects.filter(rule__code="base").order_by("version")
    assert [each.version for each in versions] == [1, 2]
    assert RuleVersion.objects.filter(rule__code="gold-x2").count() == 1


def test_what_is_left_out_is_retired_and_never_deleted() -> None:
    campaign = {"code": "c", "name": "C", "status": "active", "rules": [rule("plus", 1)]}
    apply(program_file(campaigns=[campaign]))

    apply(program_file(rules=[BASE]), NOON)

    retired = EarningRule.objects.filter(is_retired=True).values_list("code", flat=True)
    assert set(retired) == {"base-status", "gold-x2", "plus"}
    assert Campaign.objects.get().is_retired is True
    assert list(EarningRule.objects.filter(is_retired=False).values_list("code", flat=True)) == [
        "base"
    ]


def test_a_currency_is_made_with_the_accounts_of_everybody() -> None:
    apply()
    member = join()
    stamps = {"code": "stamps", "kind": "redeemable"}

    apply(program_file(points={}) | {"points": [*PROGRAM["points"], stamps]}, NOON)

    currency = PointCurrency.objects.get(code="stamps")
    kinds = LedgerAccount.objects.filter(currency=currency, member=member)
    assert set(kinds.values_list("kind", flat=True)) == {"available", "pending", "held", "debt"}
    counters = LedgerAccount.objects.filter(currency=currency, member=None)
    assert set(counters.values_list("kind", flat=True)) == {
        *("issued", "redeemed", "expired", "adjusted", "moved", "fees", "donated", "sold"),
    }


def test_thresholds_can_change_places_and_tiers_can_go() -> None:
    apply()
    tiers = {**PROGRAM["tiers"]}
    bronze, _, gold = tiers["ladder"]

    apply(program_file(tiers={**tiers, "ladder": [bronze, {**gold, "threshold": 500}]}), NOON)

    live = Tier.objects.filter(is_retired=False).order_by("threshold")
    assert list(live.values_list("code", "threshold")) == [("bronze", 0), ("gold", 500)]
    assert Tier.objects.get(code="silver").is_retired is True


def test_who_joined_before_there_were_tiers_starts_on_the_lowest() -> None:
    untiered = {name: section for name, section in PROGRAM.items() if name != "tiers"}
    apply({**untiered, "rules": [BASE]})
    member = join()

    apply(PROGRAM, NOON)

    assert standings(member) == [("bronze", member.enrolled_at)]


# What holds for what -------------------------------------------------------------------------


def test_without_purchases_the_rules_hold_for_every_moment() -> None:
    apply(moment=NOON)
    join()

    assert granted(NOON - 9 * DAY, moment=NOON) == 10


def test_with_purchases_new_rules_hold_for_what_occurs_after_their_application() -> None:
    apply()
    join()
    granted(NOON - DAY, moment=NOON)

    apply(program_file(rules=[rule("double", 2)]), NOON)

    assert granted(NOON - timedelta(seconds=1), moment=NOON + DAY) == 10
    assert granted(NOON, moment=NOON + DAY) == 20
    apply(program_file(rules=[]), NOON + DAY)
    assert granted(NOON + timedelta(hours=1), moment=NOON + 2 * DAY) == 20
    assert granted(NOON + DAY, moment=NOON + 2 * DAY) == 0


def test_the_file_may_say_from_when_it_holds() -> None:
    apply()
    join()
    granted(NOON - 9 * DAY, moment=NOON - 9 * DAY)
    told = {**PROGRAM["program"], "effective_from": (NOON - 5 * DAY).isoformat()}

    apply(program_file(program=told, rules=[rule("double", 2)]), NOON)

    assert granted(NOON - 6 * DAY, moment=NOON) == 10
    assert granted(NOON - 5 * DAY, moment=NOON) == 20


def test_points_already_given_are_not_recomputed() -> None:
    apply()
    member = join()
    granted(NOON, moment=NOON)

    apply(program_file(rules=[rule("double", 2)]), NOON + DAY)

    assert balances(member)["available"] == 10


@pytest.mark.parametrize(
    ("field", "value"), [("currency", "USD"), ("timezone", "UTC"), ("code", "other")]
)
def test_what_purchases_rely_on_cannot_change_once_there_are_some(field: str, value: str) -> None:
    apply()
    join()
    changed = program_file(program={**PROGRAM["program"], field: value})
    apply(changed)
    apply()
    granted(NOON, moment=NOON)
    before = Program.objects.get()

    with pytest.raises(program.ProgramHasHistory, match=field) as refused:
        apply(changed, NOON)

    assert refused.value.code == "program_has_history"
    after = Program.objects.get()
    assert (after.version, getattr(after, field)) == (before.version, getattr(before, field))


def test_a_purchase_sees_a_program_that_another_process_applied() -> None:
    apply()
    join()
    granted(NOON, moment=NOON)
    document = parse(json.dumps(program_file(rules=[rule("double", 2)])))

    # No memory is emptied here: the opening call reports the new version.
    program.apply(document=document, moment=NOON)

    assert granted(NOON + DAY, moment=NOON + DAY) == 20


def test_the_floor_of_debts_follows_the_policy() -> None:
    apply()
    member = join()
    debt = LedgerAccount.objects.get(member=member, kind="debt")
    assert debt.floor == -100_000

    apply(program_file({"returns": {"policy": "within_balance", "limit": 0}}), NOON)

    debt.refresh_from_db()
    assert debt.floor == 0


def test_a_late_purchase_grades_again_from_its_moment_on() -> None:
    apply()
    member = join()
    buy(basket(line(price="400.00"), at=NOON), moment=NOON)

    buy(basket(line(price="100.00"), at=NOON - 9 * DAY), moment=NOON + DAY)

    assert standings(member) == [("bronze", member.enrolled_at), ("silver", NOON)]
