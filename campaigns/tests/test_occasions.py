"""Occasions: found when they are due, written down once, whatever the job goes through."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from campaigns.models import Event, OccasionMark
from campaigns.programfile import ProgramFileError, parse
from campaigns.services import events, occasions
from campaigns.services.periodic import JOBS
from campaigns.tests.shop import (
    BASE,
    BASE_STATUS,
    DAY,
    JOINED,
    NOON,
    PROGRAM,
    Till,
    apply,
    balances,
    basket,
    bring_back,
    buy,
    differences,
    join,
    line,
    program_file,
    refund,
)
from campaigns.tests.test_events_api import code, event
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.wire import dumps
from members.models import ExpiryNotice, LedgerAccount, Member, Segment, SegmentMove
from members.services import jobs
from members.services.merging import Wanted, merge

pytestmark = pytest.mark.django_db

JOB = JOBS["note_occasions"]
GIFT = {"kind": "earn_fixed", "currency": "points", "points": 10}


def rule_on(trigger: str, **more: Any) -> dict[str, Any]:
    """Return a rule that gives ten points on an occasion."""
    return {"code": trigger.replace(":", "-"), "trigger": trigger, "effects": [GIFT], **more}


def opened(*rules: dict[str, Any], program: dict[str, Any] | None = None, **sections: Any) -> None:
    """Open a shop with rules for occasions."""
    head = {**PROGRAM["program"], **(program or {})}
    apply(program_file(rules=[BASE, BASE_STATUS, *rules], program=head, **sections))


def look(moment: datetime) -> int:
    """Run the job; return how much it did."""
    return jobs.run(JOB, moment=moment).done


def noted(member: Member | None = None) -> list[tuple[str, datetime]]:
    """Return the occasions that are written down, the oldest first."""
    rows = Event.objects.filter(source="program").order_by("occurred_at", "pk")
    rows = rows if member is None else rows.filter(member=member)
    return list(rows.values_list("type", "occurred_at"))


def instant(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


# Birthdays and anniversaries -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("_case", "zone", "leap_day", "born", "looked_at", "expected"),
    [
        ("its day", "Europe/Lisbon", None, (1990, 3, 2), NOON, [instant(2026, 3, 2)]),
        ("the day before", "Europe/Lisbon", None, (1990, 3, 3), NOON, []),
        (
            "a zone in which it is tomorrow already",
            "Pacific/Auckland",
            None,
            (1990, 3, 3),
            NOON,
            [instant(2026, 3, 2, 11)],
        ),
        (
            "a zone in which it is still yesterday",
            "Pacific/Honolulu",
            None,
            (1990, 3, 2),
            instant(2026, 3, 2, 9, 59),
            [],
        ),
        (
            "that zone at its midnight",
            "Pacific/Honolulu",
            None,
            (1990, 3, 2),
            instant(2026, 3, 2, 10),
            [instant(2026, 3, 2, 10)],
        ),
        (
            "29 February without one, by default",
            "Europe/Lisbon",
            None,
            (1992, 2, 29),
            instant(2026, 2, 28, 12),
            [instant(2026, 2, 28)],
        ),
        (
            "29 February on 1 March: not the day before",
            "Europe/Lisbon",
            "mar1",
            (1992, 2, 29),
            instant(2026, 2, 28, 12),
            [],
        ),
        (
            "29 February on 1 March",
            "Europe/Lisbon",
            "mar1",
            (1992, 2, 29),
            instant(2026, 3, 1, 12),
            [instant(2026, 3, 1)],
        ),
        (
            "29 February in a leap year, whatever is said",
            "Europe/Lisbon",
            "mar1",
            (1992, 2, 29),
            instant(2028, 2, 29, 12),
            [instant(2028, 2, 29)],
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_birthday_is_a_day_of_the_programs_calendar(
    _case: str,
    zone: str,
    leap_day: str | None,
    born: tuple[int, int, int],
    looked_at: datetime,
    expected: list[datetime],
) -> None:
    """Edge case 27: 29 February."""
    told = {"timezone": zone, **({"leap_day": leap_day} if leap_day else {})}
    start = looked_at - timedelta(hours=40)
    head = {**PROGRAM["program"], **told}
    apply(program_file(rules=[BASE, rule_on("birthday")], program=head), moment=start)
    member = join(at=start, birth_date=date(*born))

    look(looked_at)

    assert noted(member) == [("birthday", at) for at in expected]
    assert balances(member) == ({"available": 10} if expected else {})
    assert differences() == []


def test_one_birthday_a_calendar_year_whatever_is_edited() -> None:
    """Edge case 27: a birth date that is edited."""
    opened(rule_on("birthday"))
    member = join(birth_date=date(1990, 3, 2))
    look(NOON)

    for day, birth_date in (
        (1, date(1990, 3, 3)),
        (40, date(1990, 4, 11)),
        (300, date(1990, 12, 27)),
    ):
        Member.objects.filter(pk=member.pk).update(birth_date=birth_date)
        look(NOON + day * DAY)

    assert [at.year for _, at in noted(member)] == [2025, 2026]
    Member.objects.filter(pk=member.pk).update(birth_date=date(1990, 3, 2))
    look(NOON + 365 * DAY)
    assert [at.year for _, at in noted(member)] == [2025, 2026, 2027]


def test_one_person_of_two_rows_has_one_birthday() -> None:
    opened(rule_on("birthday"))
    start = instant(2026, 3, 1, 12)
    one = join(birth_date=date(1990, 3, 2), at=start)
    other = join("6011000002", birth_date=date(1990, 3, 3), at=start)
    look(NOON)
    merge(
        wanted=Wanted(survivor_id=other.pk, merged_id=one.pk, reason="same"), by=None, moment=NOON
    )

    look(NOON + DAY)

    assert noted() == [("birthday", instant(2026, 3, 2))]


def test_whoever_joins_on_their_birthday_has_it_from_then_on() -> None:
    opened(rule_on("birthday"))
    member = join(birth_date=date(1990, 3, 2), at=NOON)

    look(NOON + timedelta(hours=1))

    assert noted(member) == [("birthday", NOON)]


def test_an_anniversary_comes_each_year_and_says_which() -> None:
    opened(rule_on("anniversary", when={"attr": "event.payload.years", "op": "gte", "value": 2}))
    joined = instant(2024, 2, 29, 9)
    member = join(at=joined)
    Member.objects.filter(pk=member.pk).update(enrolled_at=joined)

    look(instant(2026, 3, 1))

    assert noted(member) == [
        ("anniversary", instant(2025, 2, 28)),
        ("anniversary", instant(2026, 2, 28)),
    ]
    assert balances(member) == {"available": 10}


@pytest.mark.parametrize("ways", [[0], [0, 0], [3], [0, 3], [1, 2, 3]], ids=str)
def test_a_job_that_runs_once_twice_or_late_ends_alike(ways: list[int]) -> None:
    opened(rule_on("birthday"), rule_on("anniversary"))
    one = join(birth_date=date(1990, 3, 1), at=NOON - 365 * DAY)
    two = join("6011000002", birth_date=date(1990, 2, 20), at=NOON - 90 * DAY)

    for days in ways:
        look(NOON + days * DAY)

    assert noted(one) == [
        ("birthday", instant(2026, 3, 1)),
        ("anniversary", instant(2026, 3, 2)),
    ]
    assert noted(two) == [("birthday", instant(2026, 2, 20))]
    assert [balances(each) for each in (one, two)] == [{"available": 20}, {"available": 10}]


def test_a_run_that_is_killed_between_two_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    opened(rule_on("birthday"))
    members = [join(f"60110000{n:02}", birth_date=date(1990, 3, 2), at=NOON) for n in range(5)]
    post = events.process_occasion
    done: list[object] = []

    def dying(**how: Any) -> bool:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(post(**how))
        return True

    with monkeypatch.context() as patched:
        patched.setattr(occasions, "process_occasion", dying)
        with pytest.raises(KeyboardInterrupt):
            look(NOON + DAY)
    assert len(noted()) == 3
    look(NOON + DAY)

    assert [balances(member) for member in members] == [{"available": 10}] * 5
    assert OccasionMark.objects.get().noted_through == NOON + DAY


def test_a_member_who_cannot_be_posted_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened(rule_on("birthday"))
    bad = join(birth_date=date(1990, 3, 2), at=NOON)
    good = join("6011000002", birth_date=date(1990, 3, 2), at=NOON)
    post = events.process_occasion

    def refusing(**how: Any) -> bool:
        if how["occasion"].member_id == bad.pk:
            raise DomainError
        return post(**how)

    with monkeypatch.context() as patched:
        patched.setattr(occasions, "process_occasion", refusing)
        outcome = jobs.run(JOB, moment=NOON + DAY)

    assert (outcome.failure, len(noted(good)), len(noted(bad))) == ("birthday: refused", 1, 0)
    look(NOON + 2 * DAY)
    assert len(noted(bad)) == 1


def test_what_was_before_the_rule_is_over() -> None:
    opened()
    member = join(birth_date=date(1990, 2, 20))
    buy(basket(at=NOON - 20 * DAY), moment=NOON - 20 * DAY)
    apply(program_file(rules=[BASE, rule_on("birthday")]), moment=NOON)

    look(NOON + DAY)

    assert noted(member) == []


def test_nothing_is_looked_for_without_a_rule() -> None:
    opened()
    join(birth_date=date(1990, 3, 2))

    assert look(NOON) == 0
    assert (noted(), OccasionMark.objects.count()) == ([], 0)


# What happens to members -----------------------------------------------------------------------


def test_a_tier_that_changed_is_an_occasion_once_a_year() -> None:
    opened(
        rule_on("tier_changed", when={"attr": "event.payload.after", "op": "eq", "value": "silver"})
    )
    member = join()
    buy(basket(line(price="600.00"), at=NOON), moment=NOON)

    look(NOON + DAY)
    look(NOON + 2 * DAY)

    assert noted(member) == [("tier_changed", NOON)]
    assert Event.objects.get(source="program").payload == {
        "before": "bronze",
        "after": "silver",
        "up": True,
    }
    assert balances(member) == {"available": 610}


def test_a_tier_that_a_late_purchase_moves_is_the_same_occasion() -> None:
    opened(rule_on("tier_changed"))
    member = join()
    buy(basket(line(price="600.00"), at=NOON), moment=NOON)
    look(NOON + DAY)
    buy(basket(line(price="600.00"), at=NOON - 5 * DAY), moment=NOON + 2 * DAY)

    look(NOON + 3 * DAY)

    assert noted(member) == [("tier_changed", NOON)]


def test_a_return_is_an_occasion_of_its_member() -> None:
    opened(rule_on("return"))
    member = join()
    body = basket(at=NOON)
    buy(body, moment=NOON)
    bring_back(refund(body, at=NOON + DAY), moment=NOON + DAY)

    look(NOON + 2 * DAY)
    look(NOON + 3 * DAY)

    assert noted(member) == [("return", NOON + DAY)]
    payload = Event.objects.get(source="program").payload
    assert (payload["external_id"], payload["whole"]) == (body["external_id"], True)
    assert balances(member) == {"available": 10}


def test_a_notice_of_points_that_end_is_an_occasion() -> None:
    opened(rule_on("points_expiring"))
    member = join()
    account = LedgerAccount.objects.get(member=member, kind="available", currency__code="points")
    ExpiryNotice.objects.create(
        account=account, ends_at=NOON + 30 * DAY, days=30, points=120, told_at=NOON
    )

    look(NOON + timedelta(minutes=5))
    look(NOON + DAY)

    assert noted(member) == [("points_expiring", NOON)]
    assert Event.objects.get(source="program").payload == {
        "currency": "points",
        "points": 120,
        "days": 30,
        "ends_at": "2026-04-01T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("segment_entered:vip", [NOON, NOON + 2 * DAY]),
        ("segment_left:vip", [NOON + DAY]),
    ],
)
def test_each_move_over_the_border_of_a_segment_is_an_occasion(
    trigger: str, expected: list[datetime]
) -> None:
    everyone = {"attr": "member.age", "op": "exists", "value": True}
    names = [{"code": each, "name": each, "where": everyone} for each in ("vip", "others")]
    opened(rule_on(trigger), segments=names)
    member = join()
    vip, others = Segment.objects.get(code="vip"), Segment.objects.get(code="others")
    for days, entered in ((0, True), (1, False), (2, True)):
        for segment in (vip, others):
            SegmentMove.objects.create(
                segment=segment, member=member, entered=entered, moved_at=NOON + days * DAY
            )

    look(NOON + 3 * DAY)
    look(NOON + 4 * DAY)

    assert noted(member) == [(trigger, at) for at in expected]


# Silences --------------------------------------------------------------------------------------

LADDER = [rule_on(f"silent:{days}") for days in (7, 90, 180)]


def test_a_ladder_asks_once_at_each_step_of_a_silence() -> None:
    opened(*LADDER)
    member = join()
    buy(basket(at=NOON), moment=NOON)

    for days in (6, 7, 8, 60, 90, 91, 180, 200):
        look(NOON + days * DAY)

    # The clock changes between: days are the calendar's.
    assert noted(member) == [
        ("silent:7", instant(2026, 3, 9)),
        ("silent:90", instant(2026, 5, 30, 23)),
        ("silent:180", instant(2026, 8, 28, 23)),
    ]
    assert balances(member) == {"available": 40}


def test_a_purchase_stops_the_ladder() -> None:
    opened(*LADDER)
    member = join()
    buy(basket(at=NOON), moment=NOON)
    look(NOON + 8 * DAY)
    buy(basket(at=NOON + 80 * DAY), moment=NOON + 80 * DAY)

    look(NOON + 91 * DAY)

    assert [type_ for type_, _ in noted(member)] == ["silent:7", "silent:7"]


def test_a_third_silence_of_a_year_is_left_in_peace() -> None:
    opened(rule_on("silent:7"))
    member = join()
    for days in (0, 20, 40, 380):
        buy(basket(at=NOON + days * DAY), moment=NOON + days * DAY)
        look(NOON + (days + 10) * DAY)

    assert [at.date() for _, at in noted(member)] == [
        date(2026, 3, 9),
        date(2026, 3, 29),
        date(2027, 3, 24),
    ]


def test_whoever_never_bought_is_not_silent() -> None:
    opened(*LADDER)
    member = join()

    look(NOON)

    assert noted(member) == []


# The calendar ----------------------------------------------------------------------------------


def called(**more: Any) -> dict[str, Any]:
    """Return a rule that is called on Fridays at 17:00."""
    return rule_on(
        "schedule", schedule={"rrule": "FREQ=WEEKLY;BYDAY=FR", "starts": "17:00"}, **more
    )


def test_a_rule_is_called_by_its_calendar_for_those_whom_it_holds_for() -> None:
    opened(called(when={"attr": "member.source_channel", "op": "eq", "value": "app"}))
    mine = join(source_channel="app", at=NOON - 3 * DAY)
    join("6011000002", source_channel="pos", at=NOON - 3 * DAY)
    # A Monday; the job was put in order two Fridays later.
    apply(program_file(rules=[BASE]), moment=NOON)
    apply(
        program_file(
            rules=[BASE, called(when={"attr": "member.source_channel", "op": "eq", "value": "app"})]
        ),
        moment=NOON,
    )

    look(NOON + 13 * DAY)
    look(NOON + 14 * DAY)

    assert (
        noted()
        == noted(mine)
        == [
            ("schedule:schedule", instant(2026, 3, 6, 17)),
            ("schedule:schedule", instant(2026, 3, 13, 17)),
        ]
    )
    assert balances(mine) == {"available": 20}


def test_a_call_that_was_begun_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    apply(program_file(rules=[BASE, called()]), moment=NOON)
    members = [join(f"60110000{n:02}", at=NOON) for n in range(5)]
    monkeypatch.setattr(occasions, "MEMBERS_AT_ONCE", 2)
    post = events.process_occasion
    done: list[object] = []

    def dying(**how: Any) -> bool:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(post(**how))
        return True

    with monkeypatch.context() as patched:
        patched.setattr(occasions, "process_occasion", dying)
        with pytest.raises(KeyboardInterrupt):
            look(NOON + 5 * DAY)
    look(NOON + 5 * DAY)

    assert [balances(member) for member in members] == [{"available": 10}] * 5
    assert len(noted()) == 5


# The door --------------------------------------------------------------------------------------


def test_nobody_else_tells_of_the_programs_occasions() -> None:
    opened(rule_on("birthday"))
    join()

    answer = Till("events:write").post("events", event(type="birthday", source="program"))
    other = Till("events:write").post("events", event(type="birthday", source="site"))

    assert code(answer) == (422, "reserved_source")
    assert (other.status_code, other.json()["points"]["granted"]) == (201, 0)
    assert noted() == []


@pytest.mark.parametrize(
    ("_case", "rule", "path"),
    [
        ("no such trigger", rule_on("birthdays"), "rules[0].trigger"),
        ("an unknown segment", rule_on("segment_left:vip"), "rules[0].trigger"),
        ("no calendar", rule_on("schedule"), "rules[0].schedule"),
        (
            "a calendar of another trigger",
            {**called(), "trigger": "birthday"},
            "rules[0].schedule",
        ),
        (
            "every second",
            rule_on("schedule", schedule={"rrule": "FREQ=SECONDLY"}),
            "rules[0].schedule.rrule",
        ),
        (
            "a basket on a birthday",
            rule_on("birthday", when={"attr": "purchase.net", "op": "gt", "value": 1}),
            "rules[0].when.attr",
        ),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_file_says_what_is_wrong_with_an_occasion(
    _case: str, rule: dict[str, Any], path: str
) -> None:
    with pytest.raises(ProgramFileError) as refused:
        parse(dumps(program_file(rules=[rule])).decode())

    assert path in [each.path for each in refused.value.problems]


def test_the_first_day_of_a_program_counts() -> None:
    apply(program_file(rules=[BASE, rule_on("birthday")]), moment=JOINED)
    member = join(birth_date=date(1990, JOINED.month, JOINED.day))

    look(JOINED + timedelta(hours=1))

    assert noted(member) == [("birthday", JOINED)]
