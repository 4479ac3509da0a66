"""When a campaign has its hours, by the program's clock."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from campaigns.earning.evaluate import evaluate
from campaigns.earning.rules import Campaign, limit_keys
from campaigns.earning.schedules import NotASchedule, compile_schedule, recurrence
from campaigns.earning.sentences import rule_sentence, schedule_sentence
from campaigns.programfile import (
    ProgramFileError,
    canonical,
    from_canonical,
    live_definitions,
    parse,
    run_tests,
)
from campaigns.tests.shop import program_file

from .earning_examples import LISBON, MEMBER, fixed, is_, line, purchase, rule

# A Friday, in winter time.
FRIDAY = datetime(2026, 3, 6, 17, tzinfo=UTC)
PLUS = {"code": "plus", "trigger": "purchase", "effects": [fixed(5)]}
HAPPY = {"rrule": "FREQ=WEEKLY;BYDAY=FR", "starts": "17:00", "minutes": 120}


def happy(**campaign: Any) -> Campaign:
    """Return a campaign with a happy hour on Fridays, or with another schedule."""
    schedule = compile_schedule({**HAPPY, **campaign.pop("schedule", {})})
    return Campaign("happy", schedule=schedule, **campaign)


def lisbon(text: str, *, fold: int = 0) -> datetime:
    """Return a moment by the clock of Lisbon."""
    return datetime.fromisoformat(text).replace(tzinfo=LISBON, fold=fold)


@pytest.mark.parametrize(
    ("_case", "schedule", "at", "expected"),
    [
        ("the first minute", {}, "2026-03-06T17:00", True),
        ("the last instant", {}, "2026-03-06T18:59:59.999999", True),
        ("its end is outside", {}, "2026-03-06T19:00", False),
        ("a minute early", {}, "2026-03-06T16:59", False),
        ("another day", {}, "2026-03-07T17:30", False),
        ("in summer time at the same hour of the clock", {}, "2026-07-03T17:00", True),
        ("past midnight", {"starts": "23:00"}, "2026-03-07T00:59", True),
        ("past midnight of the day before", {"starts": "23:00"}, "2026-03-06T00:30", False),
        ("three days on end", {"minutes": 3 * 1440}, "2026-03-09T16:59", True),
        ("three days and over", {"minutes": 3 * 1440}, "2026-03-09T17:00", False),
        (
            "the first Saturday of a month",
            {"rrule": "FREQ=MONTHLY;BYDAY=1SA"},
            "2026-03-07T17:00",
            True,
        ),
        (
            "the second Saturday is not the first",
            {"rrule": "FREQ=MONTHLY;BYDAY=1SA"},
            "2026-03-14T17:00",
            False,
        ),
        (
            "the last day of a short month",
            {"rrule": "FREQ=MONTHLY;BYMONTHDAY=-1"},
            "2026-02-28T17:00",
            True,
        ),
        (
            "the 31st is left out of a month of 30 days",
            {"rrule": "FREQ=MONTHLY;BYMONTHDAY=31"},
            "2026-04-30T17:00",
            False,
        ),
        (
            "29 February in a leap year",
            {"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"},
            "2028-02-29T17:00",
            True,
        ),
        (
            "29 February is not moved in another year",
            {"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"},
            "2026-02-28T17:00",
            False,
        ),
        (
            "every second week, this week",
            {"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "since": "2026-02-20"},
            "2026-03-06T17:00",
            True,
        ),
        (
            "every second week, the week between",
            {"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "since": "2026-02-20"},
            "2026-02-27T17:00",
            False,
        ),
        (
            "the third and last of three",
            {"rrule": "FREQ=WEEKLY;BYDAY=FR;COUNT=3", "since": "2026-02-20"},
            "2026-03-06T17:00",
            True,
        ),
        (
            "after the last of three",
            {"rrule": "FREQ=WEEKLY;BYDAY=FR;COUNT=3", "since": "2026-02-20"},
            "2026-03-13T17:00",
            False,
        ),
        (
            "the day of UNTIL counts",
            {"rrule": "FREQ=DAILY;UNTIL=20260306"},
            "2026-03-06T17:00",
            True,
        ),
        (
            "the day after UNTIL",
            {"rrule": "FREQ=DAILY;UNTIL=20260306"},
            "2026-03-07T17:00",
            False,
        ),
    ],
)
def test_a_moment_lies_in_the_hours_by_the_program_s_clock(
    _case: str, schedule: dict[str, Any], at: str, expected: bool
) -> None:
    assert compile_schedule({**HAPPY, **schedule}).holds(lisbon(at)) is expected


# Lisbon puts its clocks forward on 29 March 2026 at 01:00, and back on 25 October at 02:00.
SPRING, AUTUMN = "2026-03-29", "2026-10-25"


@pytest.mark.parametrize(
    ("_case", "day", "starts", "minutes", "minutes_held"),
    [
        ("a usual happy hour in spring", SPRING, "17:00", 120, 120),
        ("a usual happy hour in autumn", AUTUMN, "17:00", 120, 120),
        ("an hour that the clock skips does not take place", SPRING, "01:00", 60, 0),
        ("half of it is skipped", SPRING, "01:30", 60, 30),
        ("an hour that the clock shows twice counts twice", AUTUMN, "01:00", 60, 120),
        ("a whole day of 23 hours", SPRING, "00:00", 1440, 23 * 60),
        ("a whole day of 25 hours", AUTUMN, "00:00", 1440, 25 * 60),
    ],
)
def test_hours_on_the_day_the_clock_changes_are_those_on_the_wall(
    _case: str, day: str, starts: str, minutes: int, minutes_held: int
) -> None:
    """Edge cases 22 and 23: hours are the program's own, and no change shifts them."""
    schedule = compile_schedule({"rrule": "FREQ=DAILY", "starts": starts, "minutes": minutes})
    first = lisbon(f"{day}T00:00").astimezone(UTC)
    each_minute = (first + timedelta(minutes=n) for n in range(26 * 60))

    held = [schedule.current(at.astimezone(LISBON)) for at in each_minute]

    assert len([each for each in held if each and each.date().isoformat() == day]) == minutes_held


PARTS = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])},
    optional={
        "INTERVAL": st.sampled_from(["1", "2", "3", "5"]),
        # The independent reader takes numbered and plain weekdays together for days that are
        # both, where RFC 5545, 3.3.10, has a list of either: that case stands by itself below.
        "BYDAY": st.sampled_from(["FR", "MO,SA", "1MO", "-1FR", "2SA,3TU"]),
        "BYMONTHDAY": st.sampled_from(["1", "15", "-1", "29,30", "31"]),
        "BYMONTH": st.sampled_from(["1", "2", "6,7", "12"]),
        "BYSETPOS": st.sampled_from(["1", "-1", "2"]),
        "WKST": st.sampled_from(["SU", "WE"]),
        "COUNT": st.sampled_from(["1", "7", "20"]),
        "UNTIL": st.sampled_from(["20271231", "20260630"]),
    },
)


def test_numbered_and_plain_weekdays_of_one_list_are_days_of_either() -> None:
    rule_ = recurrence("FREQ=MONTHLY;BYDAY=2SA,TU", date(2025, 6, 1))

    days = [day for day in range(1, 31) if rule_.has(date(2025, 6, day))]

    assert days == [3, 10, 14, 17, 24]


@given(
    PARTS,
    st.dates(date(2024, 1, 1), date(2026, 12, 31)),
    st.integers(0, 1500),
)
def test_days_are_those_of_an_independent_reader_of_rfc_5545(
    parts: dict[str, str], first: date, ahead: int
) -> None:
    if {"COUNT", "UNTIL"} <= parts.keys():
        # RFC 5545 allows one of them alone.
        del parts["UNTIL"]
    text = ";".join(f"{key}={value}" for key, value in parts.items())
    try:
        rule_ = recurrence(text, first)
    except NotASchedule:
        return

    start = datetime.combine(first, time())
    day = start + timedelta(days=ahead)

    # An independent reader looks for the next day for ever, so that it is asked for a year.
    expected = rrulestr(text, dtstart=start).between(day, day + timedelta(days=366), inc=True)
    days = (day.date() + timedelta(days=n) for n in range(367))
    assert [each for each in days if rule_.has(each)] == [each.date() for each in expected]


@pytest.mark.parametrize(
    ("_case", "rrule", "since", "expected"),
    [
        ("by the minute", "FREQ=MINUTELY", None, "a FREQ of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("by the second", "FREQ=SECONDLY", None, "a FREQ of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("by the hour", "FREQ=HOURLY", None, "a FREQ of DAILY, WEEKLY, MONTHLY, YEARLY"),
        ("its hours belong to starts", "FREQ=DAILY;BYHOUR=17", None, "the hours are in starts"),
        ("no rule", "every Friday", None, "a recurrence rule, such as"),
        ("a part twice", "FREQ=DAILY;FREQ=DAILY", None, "a recurrence rule, such as"),
        ("no such weekday", "FREQ=WEEKLY;BYDAY=XX", None, "weekdays of MO, TU"),
        ("numbered weekdays of a week", "FREQ=WEEKLY;BYDAY=1FR", None, "weekdays without a"),
        ("day 32", "FREQ=MONTHLY;BYMONTHDAY=32", None, "BYMONTHDAY of whole numbers"),
        ("month 0", "FREQ=YEARLY;BYMONTH=0;BYMONTHDAY=1", None, "BYMONTH of whole numbers"),
        ("UNTIL in another form", "FREQ=DAILY;UNTIL=2026-03-06", None, "UNTIL as a day"),
        ("30 February", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", None, "comes within 12 years"),
        ("never by its interval", "FREQ=DAILY;INTERVAL=7;BYDAY=MO", "2026-03-03", "12 years"),
        ("a number of times from when", "FREQ=WEEKLY;BYDAY=FR;COUNT=3", None, "count from"),
        ("every second week from when", "FREQ=WEEKLY;BYDAY=FR;INTERVAL=2", None, "count from"),
        ("no day at all", "FREQ=MONTHLY", None, "a rule with days"),
        ("too often", "FREQ=DAILY;COUNT=1001", "2026-03-03", "COUNT of whole numbers from 1"),
        ("an Arabic figure", "FREQ=MONTHLY;BYMONTHDAY=١", None, "BYMONTHDAY of whole numbers"),
        ("too long", "FREQ=DAILY;BYMONTH=" + ",".join(["1"] * 200), None, "at most 200"),
        ("a first day beyond all", "FREQ=DAILY", "9999-01-01", "a first day from 1970"),
    ],
)
def test_what_is_no_schedule_is_refused(
    _case: str, rrule: str, since: str | None, expected: str
) -> None:
    with pytest.raises(NotASchedule, match=expected):
        recurrence(rrule, date.fromisoformat(since) if since else None)


# Not now ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("_case", "at", "campaign", "text"),
    [
        (
            "later today",
            "2026-03-06T12:00",
            {},
            "Applies on Friday 2026-03-06, 17:00 to 19:00",
        ),
        ("in five days", "2026-03-01T12:00", {}, "Applies on Friday 2026-03-06, 17:00 to 19:00"),
        (
            "in a week exactly",
            "2026-03-06T19:00",
            {},
            "Applies on Friday 2026-03-13, 17:00 to 19:00",
        ),
        (
            "over today, and the campaign with it",
            "2026-03-06T20:00",
            {"ends_at": datetime(2026, 3, 10, tzinfo=UTC)},
            "Applied on Friday 2026-03-06, 17:00 to 19:00",
        ),
        (
            "over today, the next a month away",
            "2026-03-06T20:00",
            {"schedule": {"rrule": "FREQ=MONTHLY;BYDAY=1FR"}},
            "Applied on Friday 2026-03-06, 17:00 to 19:00",
        ),
        (
            "past midnight",
            "2026-03-06T12:00",
            {"schedule": {"starts": "23:00"}},
            "Applies on Friday 2026-03-06, 23:00 to 01:00 on the next day",
        ),
        (
            "a whole day",
            "2026-03-05T12:00",
            {"schedule": {"starts": "00:00", "minutes": 1440}},
            "Applies on Friday 2026-03-06, all day",
        ),
    ],
)
def test_a_rule_outside_its_hours_says_when_it_applies(
    _case: str, at: str, campaign: dict[str, Any], text: str
) -> None:
    plus = rule("plus", fixed(5), campaign=happy(**campaign))

    evaluation = evaluate([plus], purchase(line("10.00"), at=lisbon(at)), MEMBER, {})

    (refused,) = evaluation.not_applied
    assert evaluation.awards == ()
    assert (refused.rule_code, refused.reason, refused.text) == ("plus", "not_now", text)


@pytest.mark.parametrize(
    ("_case", "at", "body", "campaign"),
    [
        ("more than a week away", "2026-03-10T12:00", {}, {"rrule": "FREQ=MONTHLY;BYDAY=1FR"}),
        (
            "its condition does not hold",
            "2026-03-06T12:00",
            {"when": is_("member.tier", "eq", "x")},
            {},
        ),
        ("no line is its", "2026-03-06T12:00", {"lines": is_("line.sku", "eq", "x")}, {}),
        (
            "a coupon that was not shown",
            "2026-03-06T12:00",
            {"when": is_("purchase.coupon", "contains", "SECRET")},
            {},
        ),
    ],
)
def test_a_rule_that_would_not_hold_near_by_is_passed_over(
    _case: str, at: str, body: dict[str, Any], campaign: dict[str, Any]
) -> None:
    plus = rule("plus", fixed(5), campaign=happy(schedule=campaign), **body)

    evaluation = evaluate([plus], purchase(line("10.00"), at=lisbon(at)), MEMBER, {})

    assert (evaluation.awards, evaluation.not_applied) == ((), ())


def test_within_its_hours_a_rule_gives_and_counts_what_it_always_would() -> None:
    limits = [{"per": "member", "period": "day", "points": 100}]
    plus = rule("plus", fixed(5), campaign=happy(), limits=limits)
    now, later = (
        purchase(line("10.00"), at=FRIDAY),
        purchase(line("10.00"), at=lisbon("2026-03-06T19:00")),
    )

    assert [award.points for award in evaluate([plus], now, MEMBER, {}).awards] == [5]
    assert len(limit_keys([plus], now, MEMBER.id)) == 1
    # No counter is locked for a rule that is asleep.
    assert limit_keys([plus], later, MEMBER.id) == []


# The program file ---------------------------------------------------------------------------


def document(schedule: dict[str, Any], **campaign: Any) -> str:
    """Return a program file with one campaign of these hours."""
    around = {"code": "happy", "name": "Happy hour", "status": "active", **campaign}
    rules = [PLUS]
    tests = [
        {
            "name": "in its hours",
            "at": "2026-03-06T17:30",
            "purchase": {"lines": [{"unit_price": "10.00"}]},
            "expect": {"awards": {"plus": 5}},
        },
        {
            "name": "outside",
            "at": "2026-03-06T19:30",
            "purchase": {"lines": [{"unit_price": "10.00"}]},
            "expect": {"awards": {"plus": 0}},
        },
    ]
    return json.dumps(
        program_file(campaigns=[{**around, "schedule": schedule, "rules": rules}], tests=tests)
    )


def test_a_file_s_schedule_is_kept_and_its_tests_are_held_to_it() -> None:
    read = parse(document(HAPPY))

    assert canonical(read)["campaigns"][0]["schedule"] == {**HAPPY, "since": None}
    assert from_canonical(canonical(read)) == read
    assert [outcome.passed for outcome in run_tests(read)] == [True, True]
    definition = live_definitions(read)[-1]
    assert definition["campaign"]["schedule"] == {**HAPPY, "since": None}
    assert rule_sentence(definition) == ("5 points, every week on Friday, 17:00 to 19:00.")


def test_a_campaign_without_hours_makes_the_version_that_it_made_before() -> None:
    text = json.dumps(
        program_file(
            campaigns=[
                {
                    "code": "plain",
                    "name": "Plain",
                    "status": "active",
                    "rules": [PLUS],
                }
            ]
        )
    )

    assert live_definitions(parse(text))[-1]["campaign"] == {
        "code": "plain",
        "starts_at": None,
        "ends_at": None,
        "budget_points": None,
    }


def test_a_rule_that_counts_does_so_from_the_campaign_s_first_day() -> None:
    counting = {**HAPPY, "rrule": "FREQ=WEEKLY;BYDAY=FR;COUNT=2"}

    read = parse(document(counting, starts_at="2026-03-02T00:30"))

    schedule = read.campaigns[0].schedule
    assert schedule is not None
    assert schedule.since == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("_case", "schedule", "path"),
    [
        ("no rule", {"minutes": 60}, "campaigns[0].schedule.rrule"),
        ("by the minute", {**HAPPY, "rrule": "FREQ=MINUTELY"}, "campaigns[0].schedule.rrule"),
        (
            "counting from nowhere",
            {**HAPPY, "rrule": "FREQ=MONTHLY"},
            "campaigns[0].schedule.rrule",
        ),
        ("25 o'clock", {**HAPPY, "starts": "25:00"}, "campaigns[0].schedule.starts"),
        ("with an offset", {**HAPPY, "starts": "17:00+01:00"}, "campaigns[0].schedule.starts"),
        ("no minute", {**HAPPY, "minutes": 0}, "campaigns[0].schedule.minutes"),
        ("more than a week", {**HAPPY, "minutes": 10081}, "campaigns[0].schedule.minutes"),
        ("an unknown key", {**HAPPY, "zone": "UTC"}, "campaigns[0].schedule.zone"),
    ],
)
def test_a_wrong_schedule_names_its_path(_case: str, schedule: dict[str, Any], path: str) -> None:
    with pytest.raises(ProgramFileError) as refused:
        parse(document(schedule))

    assert [each.path for each in refused.value.problems] == [path]


def test_a_test_of_a_program_with_hours_has_to_say_its_moment() -> None:
    text = document(HAPPY).replace('"at": "2026-03-06T17:30", ', "")

    with pytest.raises(ProgramFileError) as refused:
        parse(text)

    assert [each.path for each in refused.value.problems] == ["tests[0].at"]


@pytest.mark.parametrize(
    ("rrule", "words"),
    [
        ("FREQ=DAILY", "every day, 17:00 to 19:00"),
        ("FREQ=DAILY;INTERVAL=3", "every 3 days, 17:00 to 19:00"),
        ("FREQ=WEEKLY;BYDAY=FR,SA", "every week on Friday, Saturday, 17:00 to 19:00"),
        ("FREQ=MONTHLY;BYDAY=1SA", "every month on the first Saturday, 17:00 to 19:00"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "every month on the last Friday, 17:00 to 19:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=15,-1", "every month on day 15, the last day, 17:00 to 19:00"),
        (
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
            "every year on day 29 in February, 17:00 to 19:00",
        ),
        ("FREQ=DAILY;UNTIL=20261231", "every day, until 2026-12-31, 17:00 to 19:00"),
        ("FREQ=DAILY;COUNT=3", "every day, 3 times from 2026-03-02, 17:00 to 19:00"),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-2",
            "every month on Monday, Tuesday, the second to last of these, 17:00 to 19:00",
        ),
    ],
)
def test_hours_are_told_as_a_sentence(rrule: str, words: str) -> None:
    assert schedule_sentence({**HAPPY, "rrule": rrule, "since": "2026-03-02"}) == words


def test_a_zone_that_skips_midnight_still_has_its_whole_day() -> None:
    cairo = ZoneInfo("Africa/Cairo")
    schedule = compile_schedule({"rrule": "FREQ=DAILY", "starts": "00:00", "minutes": 1440})
    # 24 April 2026: 00:00 becomes 01:00.
    first = datetime(2026, 4, 23, 22, tzinfo=UTC).astimezone(cairo)

    assert first.hour == 1
    assert schedule.current(first) == datetime(2026, 4, 24)  # noqa: DTZ001 - by the clock
