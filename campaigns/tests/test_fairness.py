"""What makes points worth less: recognized between two programs, held back, announced, taken."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
import time_machine
from django.core.management import call_command

from campaigns import fairness
from campaigns.models import AnnouncedChange
from campaigns.programfile import parse
from campaigns.services import drafts
from campaigns.services import program as programs
from campaigns.services.fair_change import NoticeCannotBeHeld, open_changes
from campaigns.tests.shop import DAY, NOON, apply, program_file, rule
from campaigns.tests.test_campaign_attacks import insert
from members.models import PointCurrency, Tier, User
from rewards.models import Reward

COFFEE: dict[str, Any] = {
    **{"code": "coffee", "kind": "service", "name": {"en": "Coffee"}, "points_price": 150},
    "value": "1.50",
}
TOTE: dict[str, Any] = {
    **{"code": "tote", "kind": "physical", "name": {"en": "Tote"}, "points_price": 900},
}
# Thirty whole days after NOON's, in Lisbon, where the clocks change on 29 March.
EFFECTIVE = datetime(2026, 4, 1, 23, tzinfo=UTC)


def document(notice: int | None = 30, **expiry: Any) -> dict[str, Any]:
    found = deepcopy(program_file(rewards=[deepcopy(COFFEE), deepcopy(TOTE)]))
    if notice is not None:
        found["program"]["notice_days"] = notice
    if expiry:
        found["points"][0]["expiry"] = expiry
    return found


def changed(path: str, value: Any, **around: Any) -> dict[str, Any]:
    """Return the program with another value at a path."""
    found = document(**around)
    tiers = found["tiers"]
    found["tiers"] = {**tiers, "ladder": [dict(rung) for rung in tiers["ladder"]]}
    return fairness.with_values(found, {path: value})


def found_between(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    pair = (parse(json.dumps(each)) for each in (before, after))
    return [(each.kind, each.path) for each in fairness.devaluations(*pair)]


PRICE, VALUE = "rewards.coffee.points_price", "rewards.coffee.value"
SILVER = "tiers.ladder.silver.threshold"


@pytest.mark.parametrize(
    ("_case", "path", "value", "kinds"),
    [
        ("a dearer reward", PRICE, 151, ["reward_price"]),
        ("a cheaper reward", PRICE, 149, []),
        ("a reward of less value", VALUE, "1.49", ["reward_value"]),
        ("a reward of more value", VALUE, "1.51", []),
        ("a higher threshold", SILVER, 501, ["threshold"]),
        ("a lower threshold", SILVER, 499, []),
        ("a shorter window", "tiers.policy.window.months", 11, ["tier_window"]),
        ("a longer window", "tiers.policy.window.months", 13, []),
        ("points worth less", "points.points.value", "0.0099", ["point_value"]),
        ("points worth nothing", "points.points.value", None, ["point_value"]),
        ("points worth more", "points.points.value", "0.02", []),
        ("a shorter notice", "program.notice_days", 29, ["notice"]),
        ("no notice any more", "program.notice_days", None, ["notice"]),
        ("a longer notice", "program.notice_days", 31, []),
        ("another name", "rewards.coffee.name", {"en": "Espresso"}, []),
        ("less stock", "rewards.tote.stock", 1, []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_points_worth_less_is_recognized(
    _case: str, path: str, value: Any, kinds: list[str]
) -> None:
    assert [kind for kind, _ in found_between(document(), changed(path, value))] == kinds


YEAR = {"model": "fixed_after", "months": 12, "round_to": "month_end"}
AFTER = {"model": "fixed_after", "months": 12}
IDLE = {"model": "inactivity", "months": 12}


@pytest.mark.parametrize(
    ("_case", "before", "after", "is_shorter"),
    [
        ("a month less", YEAR, {**YEAR, "months": 11}, True),
        ("a month more", YEAR, {**YEAR, "months": 13}, False),
        ("not rounded any more", YEAR, AFTER, True),
        ("rounded from now on", AFTER, YEAR, False),
        (
            "the same in days, but for leap years",
            AFTER,
            {"model": "fixed_after", "days": 365},
            True,
        ),
        ("longer in days", AFTER, {"model": "fixed_after", "days": 366}, False),
        ("for ever before", {"model": "never"}, {**YEAR, "years": 50}, True),
        ("for ever from now on", YEAR, {"model": "never"}, False),
        ("renewed before", IDLE, {**YEAR, "years": 9}, True),
        ("renewed from now on", AFTER, IDLE, False),
        (
            "a fixed day that is nearer for some",
            AFTER,
            {"model": "fixed_date", "month_day": "12-31"},
            True,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_shorter_life_of_points_is_recognized_whatever_the_model(
    _case: str, before: dict[str, Any], after: dict[str, Any], is_shorter: bool
) -> None:
    found = found_between(document(**before), document(**after))

    assert found == ([("expiry", "points.points.expiry")] if is_shorter else [])


def test_what_is_new_or_gone_needs_no_notice() -> None:
    less = document()
    less["rewards"] = [less["rewards"][0]]

    assert (found_between(document(), less), found_between(less, document())) == ([], [])


@pytest.fixture
def announced(db: None) -> dict[str, Any]:
    """Apply a program, then a file with a dearer coffee and a new name of the bag; return it."""
    apply(document(), moment=NOON - DAY)
    file = changed(PRICE, 200)
    file["rewards"][1]["name"] = {"en": "Canvas bag"}
    apply(file, moment=NOON)
    return file


def price() -> int:
    return Reward.objects.get(code="coffee").points_price


def test_what_needs_a_notice_waits_and_the_rest_holds_at_once(announced: dict[str, Any]) -> None:
    told = AnnouncedChange.objects.get()

    assert (price(), Reward.objects.get(code="tote").name) == (150, {"en": "Canvas bag"})
    assert (told.before, told.after, told.notice_days) == (150, 200, 30)
    assert (told.effective_at, told.taken_at) == (EFFECTIVE, None)


def test_the_same_file_again_announces_nothing_more(announced: dict[str, Any]) -> None:
    apply(announced, moment=NOON + 10 * DAY)

    assert AnnouncedChange.objects.get().effective_at == EFFECTIVE
    assert price() == 150


@pytest.mark.parametrize(
    ("_case", "moment", "points"),
    [("a second before", EFFECTIVE - timedelta(seconds=1), 150), ("on time", EFFECTIVE, 200)],
)
def test_the_next_file_after_the_notice_takes_the_change(
    _case: str, moment: datetime, points: int, announced: dict[str, Any]
) -> None:
    apply(announced, moment=moment)

    assert price() == points
    assert (AnnouncedChange.objects.get().taken_at is not None) is (points == 200)


def test_the_job_takes_it_on_its_day_and_once(announced: dict[str, Any]) -> None:
    moments = (EFFECTIVE - timedelta(seconds=1), EFFECTIVE, EFFECTIVE + DAY)

    taken = [(programs.take_announced(moment=moment), price()) for moment in moments]

    assert taken == [(0, 150), (1, 200), (0, 200)]
    assert programs.plan(parse(json.dumps(announced)), EFFECTIVE + DAY) == []


def test_a_file_without_it_withdraws_it(announced: dict[str, Any]) -> None:
    apply(document(), moment=NOON + DAY)

    assert (open_changes(), AnnouncedChange.objects.get().withdrawn_at) == ([], NOON + DAY)
    assert programs.take_announced(moment=EFFECTIVE) == 0
    assert price() == 150


def test_another_figure_begins_another_notice(announced: dict[str, Any]) -> None:
    apply(changed(PRICE, 180), moment=NOON + 10 * DAY)

    [now] = open_changes()
    assert (now.after, now.effective_at) == (180, EFFECTIVE + 10 * DAY)
    assert AnnouncedChange.objects.filter(withdrawn_at=NOON + 10 * DAY).count() == 1


def test_a_campaign_that_staff_start_meanwhile_leaves_it_announced(
    announced: dict[str, Any],
) -> None:
    ann = User.objects.create_user("ann@example.com", is_staff=True)
    body = {"code": "c", "name": {"en": "C"}, "budget_points": 10, "rules": [rule("c-1", 1)]}

    drafts.start(draft_id=drafts.begin(body=body, by=ann, moment=NOON).pk, by=ann, moment=NOON)
    before = (len(open_changes()), price())
    body |= {"code": "d", "rules": [rule("d-1", 1)]}
    late = drafts.begin(body=body, by=ann, moment=EFFECTIVE)
    drafts.start(draft_id=late.pk, by=ann, moment=EFFECTIVE)

    assert (before, len(open_changes()), price()) == ((1, 150), 0, 200)


def test_without_a_notice_a_change_holds_at_once_and_is_listed(db: None) -> None:
    apply(document(notice=None), moment=NOON - DAY)

    apply(changed(PRICE, 200, notice=None), moment=NOON)

    told = AnnouncedChange.objects.get()
    assert (price(), told.effective_at, told.taken_at) == (200, NOON, NOON)


def test_the_notice_itself_cannot_be_cut_short_to_get_around_it(db: None) -> None:
    apply(document(), moment=NOON - DAY)
    file = changed(PRICE, 200, notice=0)

    apply(file, moment=NOON)
    apply(file, moment=NOON + DAY)

    assert price() == 150
    assert sorted(each.kind for each in open_changes()) == ["notice", "reward_price"]
    assert drafts.live()["program"]["notice_days"] == 30


def test_tiers_and_points_keep_what_they_say_until_then(db: None) -> None:
    apply(document(), moment=NOON - DAY)
    file = fairness.with_values(changed(SILVER, 800), {"points.points.value": "0.005"})
    file["points"][0]["expiry"] = {"model": "fixed_after", "months": 6}

    apply(file, moment=NOON)
    points = PointCurrency.objects.get(code="points")
    held = (Tier.objects.get(code="silver").threshold, str(points.value.normalize()))
    programs.take_announced(moment=EFFECTIVE)
    points.refresh_from_db()

    assert (held, points.expiry["months"]) == ((500, "0.01"), 6)
    assert Tier.objects.get(code="silver").threshold == 800


def test_what_cannot_be_told_apart_is_refused_as_a_whole(db: None) -> None:
    apply(document(), moment=NOON - DAY)
    file = changed(SILVER, 800)
    file["tiers"]["ladder"].insert(1, {"code": "steel", "name": "Steel", "threshold": 500})

    with pytest.raises(NoticeCannotBeHeld, match=r"tiers\.ladder\.silver\.threshold"):
        apply(file, moment=NOON)

    assert not Tier.objects.filter(code="steel").exists()


def test_the_command_says_since_when_and_yes_does_not_hurry_it(db: None, tmp_path: Path) -> None:
    apply(document(), moment=NOON - DAY)
    file = tmp_path / "program.yaml"
    file.write_text(json.dumps(changed(PRICE, 200)))
    out = StringIO()

    with time_machine.travel(NOON, tick=False):
        call_command("program", "plan", file, stdout=out)
        call_command("program", "apply", file, yes=True, stdout=out)

    line = f"! {PRICE}: 150 -> 200: from 2026-04-02 00:00 on, since it needs a notice"
    assert out.getvalue().splitlines() == [
        *(line, line),
        "Applied 0 changes.",
        "Announced 1, which hold from the moments above on.",
    ]
    assert price() == 150


# Attacks ---------------------------------------------------------------------------------------


def announce(connection: Any, program: int, **told: Any) -> int:
    """Write an announcement by hand."""
    values = {
        **{"program_id": program, "kind": "reward_price", "code": "coffee", "path": PRICE},
        **{"before": "150", "after": "200", "notice_days": 30, "announced_at": NOON},
        **{"effective_at": NOON + 31 * DAY, "actor": ""},
    }
    return insert(connection, "campaigns_announcedchange", **{**values, **told})


def a_program(connection: Any, notice: int) -> int:
    stated = json.dumps({"program": {"notice_days": notice}})
    return insert(
        connection,
        "members_program",
        **{"code": "main", "name": "Club", "currency": "EUR", "timezone": "UTC"},
        **{"locale": "en", "claim_days": 30, "document": stated, "version": 1},
        tier_policy="{}",
    )


@pytest.mark.ledger
@pytest.mark.parametrize("role", ["site_connection", "owner_connection"])
@pytest.mark.parametrize(
    ("_case", "told", "then", "constraint"),
    [
        ("a shorter notice", {"notice_days": 29}, {}, "campaigns_announcedchange_notice"),
        (
            "a nearer day",
            {"effective_at": NOON + 29 * DAY},
            {},
            "campaigns_announcedchange_notice",
        ),
        ("taken early", {}, {"taken_at": NOON}, "campaigns_announcedchange_not_early"),
        (
            "taken and withdrawn",
            {},
            {"taken_at": NOON + 31 * DAY, "withdrawn_at": NOON},
            "campaigns_announcedchange_one_end",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_attack_on_the_notice_is_refused_by_name(
    _case: str,
    told: dict[str, Any],
    then: dict[str, Any],
    constraint: str,
    role: str,
    request: pytest.FixtureRequest,
) -> None:
    connection = request.getfixturevalue(role)
    program = a_program(connection, 30)

    def attack() -> None:
        row = announce(connection, program, **told)
        pairs = ", ".join(f"{name} = %s" for name in then)
        connection.execute(
            f"UPDATE campaigns_announcedchange SET {pairs} WHERE id = %s".encode(),
            (*then.values(), row),
        )

    with pytest.raises(psycopg.IntegrityError) as refusal:
        attack()

    assert refusal.value.diag.constraint_name == constraint


@pytest.mark.ledger
def test_what_was_announced_is_changed_by_nobody(owner_connection: Any) -> None:
    row = announce(owner_connection, a_program(owner_connection, 30))

    with pytest.raises(psycopg.IntegrityError) as refusal:
        owner_connection.execute(
            b"UPDATE campaigns_announcedchange SET effective_at = %s WHERE id = %s", (NOON, row)
        )

    assert refusal.value.diag.constraint_name == "campaigns_announcedchange_kept"
