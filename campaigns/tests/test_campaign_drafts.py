"""Campaigns written, reviewed, started, changed and ended by staff, as one document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from campaigns import lifecycle
from campaigns.lifecycle import Who
from campaigns.models import (
    Campaign,
    CampaignDraft,
    CampaignPolicy,
    CampaignStep,
    CampaignVersion,
    Publication,
)
from campaigns.programfile import ProgramFileError, from_canonical
from campaigns.services import drafts
from campaigns.services import program as programs
from campaigns.services.campaign_rows import CampaignStepRefused, move_by_clock
from campaigns.tests.shop import DAY, NOON, apply, basket, buy, join, program_file, rule
from members.models import Program, User
from members.services.approvals import NotWaiting, SamePerson

pytestmark = pytest.mark.django_db

BODY: dict[str, Any] = {
    "code": "triple",
    "name": {"en": "Triple points"},
    "starts_at": (NOON - 2 * DAY).isoformat(),
    "ends_at": (NOON + 5 * DAY).isoformat(),
    "budget_points": 5000,
    "rules": [rule("triple-rule", 2)],
}


@pytest.fixture
def ann(db: None) -> User:
    """Return one of the staff, beside a program that runs."""
    apply()
    join()
    return User.objects.create_user("ann@example.com", is_staff=True)


@pytest.fixture
def ben(ann: User) -> User:
    """Return another of the staff."""
    return User.objects.create_user("ben@example.com", is_staff=True)


def begun(by: User, **told: Any) -> CampaignDraft:
    return drafts.begin(body={**BODY, **told}, by=by, moment=NOON - 3 * DAY)


def running(by: User) -> Campaign:
    return drafts.start(draft_id=begun(by).pk, by=by, moment=NOON - 3 * DAY).campaign


def granted(*, moment: Any = NOON) -> int:
    points: int = buy(basket(at=moment), moment=moment)["points"]["granted"]
    return points


def state_of(code: str = "triple") -> str:
    return Campaign.objects.get(code=code).status


def test_a_draft_gives_nothing_until_it_is_started(ann: User) -> None:
    draft = begun(ann)

    before = granted()
    drafts.start(draft_id=draft.pk, by=ann, moment=NOON - 3 * DAY)

    assert (before, granted()) == (10, 30)
    assert state_of() == "scheduled"
    assert Publication.objects.order_by("-number")[0].actor == f"staff:{ann.pk}"


def test_the_document_has_the_campaign_as_a_file_would(ann: User) -> None:
    running(ann)

    document = programs.live_document()

    assert document is not None
    assert [(each["code"], each["status"]) for each in document["campaigns"]] == [
        ("triple", "active")
    ]
    assert programs.plan(from_canonical(document)) == []


def test_a_file_after_it_keeps_what_it_says_and_retires_what_it_leaves_out(ann: User) -> None:
    running(ann)
    drafts.begin(body={**BODY, "code": "other", "rules": [rule("o", 1)]}, by=ann, moment=NOON)

    apply(program_file(), moment=NOON)

    retired = dict(Campaign.objects.values_list("code", "is_retired"))
    assert retired == {"triple": True, "other": False}


@pytest.mark.parametrize(
    ("_case", "budget", "is_alone"),
    [
        ("below", 9999, True),
        ("at it", 10_000, True),
        ("above", 10_001, False),
        ("none", None, False),
    ],
)
def test_one_person_starts_alone_up_to_the_limit(
    _case: str, budget: int | None, is_alone: bool, ann: User
) -> None:
    draft = begun(ann, budget_points=budget)

    try:
        drafts.start(draft_id=draft.pk, by=ann, moment=NOON)
    except drafts.BudgetNeedsSecondPerson:
        started = False
    else:
        started = True

    assert started is is_alone
    assert CampaignVersion.objects.exists() is is_alone


def test_the_limit_of_the_program_is_the_one_that_counts(ann: User) -> None:
    CampaignPolicy.objects.create(program=Program.objects.get(), budget_points_alone=100)

    draft = begun(ann)

    assert (draft.budget_points, draft.limit_points) == (5000, 100)
    with pytest.raises(drafts.BudgetNeedsSecondPerson):
        drafts.start(draft_id=draft.pk, by=ann, moment=NOON)


def test_a_large_campaign_is_started_by_somebody_else(ann: User, ben: User) -> None:
    draft = begun(ann, budget_points=None)
    drafts.submit(draft_id=draft.pk, by=ann, moment=NOON - 3 * DAY)
    waiting = state_of()
    with pytest.raises(SamePerson):
        drafts.approve(draft_id=draft.pk, by=ann, moment=NOON - 3 * DAY)

    drafts.approve(draft_id=draft.pk, by=ben, answer="Fine", moment=NOON - 3 * DAY)

    assert (waiting, state_of(), granted()) == ("in_review", "scheduled", 30)
    steps = CampaignStep.objects.order_by("pk").values_list("name", "user_id", "before", "after")
    assert list(steps) == [
        ("submit", ann.pk, "draft", "in_review"),
        ("approve", ben.pk, "in_review", "scheduled"),
    ]


def test_whoever_edited_a_draft_last_does_not_approve_it(ann: User, ben: User) -> None:
    draft = begun(ann, budget_points=None)
    drafts.edit(draft_id=draft.pk, body={**BODY, "budget_points": None}, by=ben, moment=NOON)
    drafts.submit(draft_id=draft.pk, by=ann, moment=NOON)

    with pytest.raises(SamePerson):
        drafts.approve(draft_id=draft.pk, by=ben, moment=NOON)

    assert state_of() == "in_review"


def test_what_is_in_review_is_not_edited_until_it_is_sent_back(ann: User, ben: User) -> None:
    draft = begun(ann)
    drafts.submit(draft_id=draft.pk, by=ann, moment=NOON)
    with pytest.raises(NotWaiting):
        drafts.edit(draft_id=draft.pk, body=BODY, by=ann, moment=NOON)

    drafts.send_back(draft_id=draft.pk, by=ben, answer="Too long", moment=NOON)
    drafts.edit(draft_id=draft.pk, body={**BODY, "budget_points": 1}, by=ann, moment=NOON)

    kept = CampaignDraft.objects.get()
    assert (kept.state, kept.answer, kept.budget_points) == ("draft", "Too long", 1)
    assert Campaign.objects.get().budget_points == 1


def test_a_discarded_campaign_is_archived_and_keeps_its_code(ann: User) -> None:
    drafts.discard(draft_id=begun(ann).pk, by=ann, moment=NOON)

    assert state_of() == "archived"
    with pytest.raises(drafts.CodeTaken):
        begun(ann)


@pytest.mark.parametrize(
    ("_case", "told"),
    [
        ("of a standing rule", {"code": "x", "rules": [rule("base", 1)]}),
        ("of a rule of a campaign", {"code": "x", "rules": [rule("triple-rule", 1)]}),
        ("of a campaign", {"rules": [rule("y", 1)]}),
        ("of a rule, for a campaign", {"code": "triple-rule", "rules": [rule("y", 1)]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_code_that_is_taken_is_refused(_case: str, told: dict[str, Any], ann: User) -> None:
    running(ann)

    with pytest.raises((drafts.CodeTaken, ProgramFileError)):
        begun(ann, **told)

    assert Campaign.objects.count() == 1


def test_pausing_resuming_and_ending_are_versions_of_the_program(ann: User) -> None:
    campaign = running(ann)
    found = [granted()]

    for hours, step in enumerate(("pause", "resume", "end"), 1):
        moment = NOON + timedelta(hours=hours)
        drafts.take_step(campaign=campaign, step=step, by=ann, moment=moment, note="sold out")
        found.append(granted(moment=moment))

    assert found == [30, 10, 30, 10]
    drafts.take_step(campaign=campaign, step="archive", by=ann, moment=NOON + DAY)
    names = CampaignStep.objects.order_by("pk").values_list("name", "after")
    assert list(names) == [
        ("start", "scheduled"),
        ("pause", "paused"),
        ("resume", "active"),
        ("end", "ended"),
        ("archive", "archived"),
    ]
    # The text of the campaign never changed.
    assert CampaignVersion.objects.count() == 1


def test_a_purchase_of_before_the_pause_is_still_judged_by_the_campaign(ann: User) -> None:
    granted(moment=NOON - 3 * DAY)
    drafts.take_step(campaign=running(ann), step="pause", by=ann, moment=NOON)

    late = buy(basket(at=NOON - DAY), moment=NOON + DAY)

    assert late["points"]["granted"] == 30


@pytest.mark.parametrize(
    ("step", "state"),
    [("resume", "active"), ("archive", "active"), ("submit", "active"), ("melt", "active")],
)
def test_a_step_that_the_state_does_not_have_is_refused(step: str, state: str, ann: User) -> None:
    campaign = running(ann)
    drafts.take_step(campaign=campaign, step="pause", by=ann, moment=NOON)
    campaign = drafts.take_step(campaign=campaign, step="resume", by=ann, moment=NOON)

    with pytest.raises(CampaignStepRefused):
        drafts.take_step(campaign=campaign, step=step, by=ann, moment=NOON)

    assert state_of() == state


def test_the_clock_moves_what_is_scheduled_to_active_and_to_ended_once(ann: User) -> None:
    running(ann)

    moved = [
        (move_by_clock(moment=moment), state_of())
        for moment in (NOON - 2 * DAY - timedelta(seconds=1), NOON - 2 * DAY, NOON, NOON + 5 * DAY)
        for _ in range(2)
    ]

    assert moved == [
        *((0, "scheduled"), (0, "scheduled"), (1, "active"), (0, "active")),
        *((0, "active"), (0, "active"), (1, "ended"), (0, "ended")),
    ]
    steps = CampaignStep.objects.order_by("pk").values_list("name", "actor")
    assert list(steps) == [("start", ""), ("begin", "clock"), ("run_out", "clock")]


def test_a_late_clock_changes_nothing_about_points(ann: User) -> None:
    running(ann)

    assert (granted(), granted(moment=NOON + 5 * DAY), state_of()) == (30, 10, "scheduled")


def test_a_change_is_published_as_the_next_version_and_rolled_back_as_another(
    ann: User, ben: User
) -> None:
    campaign = running(ann)
    change = drafts.revise(campaign=campaign, by=ann, moment=NOON)
    body = {**change.body, "rules": [rule("triple-rule", 4)]}
    drafts.edit(draft_id=change.pk, body=body, by=ann, moment=NOON)
    drafts.start(draft_id=change.pk, by=ann, moment=NOON)
    dearer = granted()
    first = CampaignVersion.objects.get(number=1)
    campaign.refresh_from_db()

    back = drafts.revise(campaign=campaign, by=ben, moment=NOON + DAY, source=first)
    drafts.start(draft_id=back.pk, by=ben, moment=NOON + DAY)

    assert (dearer, granted(moment=NOON + DAY)) == (50, 30)
    bodies = CampaignVersion.objects.order_by("number")
    assert [each.number for each in bodies] == [1, 2, 3]
    assert bodies[0].body == bodies[2].body


def test_one_change_of_a_campaign_is_open_at_a_time(ann: User, ben: User) -> None:
    campaign = running(ann)
    drafts.revise(campaign=campaign, by=ann, moment=NOON)

    with pytest.raises(drafts.DraftExists):
        drafts.revise(campaign=campaign, by=ben, moment=NOON)


def test_a_draft_is_brought_onto_what_others_published_meanwhile(ann: User) -> None:
    campaign = running(ann)
    change = drafts.revise(campaign=campaign, by=ann, moment=NOON)
    body = {**change.body, "budget_points": 6000}
    drafts.edit(draft_id=change.pk, body=body, by=ann, moment=NOON)
    theirs = {**BODY, "status": "active", "name": {"en": "Threefold"}}
    apply(program_file(campaigns=[theirs], rules=[*program_file()["rules"][:2]]), moment=NOON)

    drafts.start(draft_id=change.pk, by=ann, moment=NOON)

    document = drafts.live()
    [now] = document["campaigns"]
    assert (now["name"], now["budget_points"]) == ({"en": "Threefold"}, 6000)
    assert [each["code"] for each in document["rules"]] == ["base", "base-status"]


def test_a_part_that_both_changed_is_refused_with_its_name(ann: User) -> None:
    campaign = running(ann)
    change = drafts.revise(campaign=campaign, by=ann, moment=NOON)
    body = {**change.body, "budget_points": 6000, "rules": [rule("triple-rule", 5)]}
    drafts.edit(draft_id=change.pk, body=body, by=ann, moment=NOON)
    theirs = {**BODY, "status": "active", "budget_points": 7000, "rules": [rule("triple-rule", 9)]}
    apply(program_file(campaigns=[theirs]), moment=NOON)

    with pytest.raises(drafts.ChangedMeanwhile) as refusal:
        drafts.start(draft_id=change.pk, by=ann, moment=NOON)

    assert refusal.value.figures["parts"] == ["budget_points", "rule triple-rule"]
    assert drafts.live()["campaigns"][0]["budget_points"] == 7000


def test_a_file_cannot_wake_what_is_archived(ann: User) -> None:
    file = program_file(campaigns=[{**BODY, "status": "archived"}])
    apply(file, moment=NOON)
    file["campaigns"][0]["status"] = "active"

    with pytest.raises(CampaignStepRefused):
        apply(file, moment=NOON)

    assert (state_of(), granted()) == ("archived", 10)


def test_a_file_makes_no_draft_of_what_was_live(ann: User) -> None:
    file = program_file(campaigns=[{**BODY, "status": "active"}])
    apply(file, moment=NOON)
    file["campaigns"][0]["status"] = "draft"

    apply(file, moment=NOON)

    assert (state_of(), granted()) == ("paused", 10)


def test_a_scheduled_campaign_of_a_file_gives_within_its_window(ann: User) -> None:
    apply(program_file(campaigns=[{**BODY, "status": "scheduled"}]), moment=NOON - 3 * DAY)

    assert (granted(), granted(moment=NOON + 5 * DAY)) == (30, 10)


def test_a_test_without_a_moment_does_not_stand_against_the_first_window(ann: User) -> None:
    case = {
        "name": "base",
        "purchase": {"lines": [{"sku": "A", "quantity": 1, "unit_price": "10.00"}]},
        "expect": {"points": 10},
    }
    apply(program_file(tests=[case]), moment=NOON - 4 * DAY)

    running(ann)

    assert granted() == 30


@pytest.mark.parametrize(
    ("roles", "state", "steps"),
    [
        ({Who.AUTHOR}, "draft", ["submit", "start", "discard"]),
        ({Who.AUTHOR}, "in_review", ["take_back", "discard"]),
        ({Who.APPROVER}, "in_review", ["send_back", "approve"]),
        ({Who.AUTHOR}, "active", ["pause", "end", "republish"]),
        ({Who.APPROVER}, "paused", ["resume", "end", "republish"]),
        ({Who.AUTHOR}, "ended", ["archive", "republish"]),
        ({Who.CLOCK}, "scheduled", ["begin", "run_out"]),
        ({Who.AUTHOR, Who.APPROVER, Who.CLOCK, Who.FILE}, "archived", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_state_offers_its_steps_to_each_role(
    roles: set[Who], state: str, steps: list[str]
) -> None:
    assert lifecycle.steps_from(state, roles) == steps
