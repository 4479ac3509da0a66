"""Campaigns in the admin: written, reviewed, started, changed and rolled back by two people."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, CampaignDraft, CampaignStep, CampaignVersion
from campaigns.services import drafts
from campaigns.tests.shop import DAY, apply, program_file, rule
from loyalty_site.tests import staffed
from members.models import User

AUTHOR = ("view_campaign", "view_campaigndraft", "add_campaigndraft", "change_campaigndraft")
APPROVER = ("view_campaign", "view_campaigndraft", "approve_campaigndraft")


def clerk(name: str, *permissions: str) -> User:
    user = User.objects.create_user(f"{name}@example.com", None, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def page_of(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def press(browser: Client, campaign: Campaign, step: str, note: str = "") -> int:
    url = reverse("admin:campaigns_campaign_step", args=[campaign.pk])
    return browser.post(url, {"step": step, "note": note}).status_code


def buttons(browser: Client, campaign: Campaign) -> list[str]:
    return [name for name, _text, _danger in browser.get(page_of(campaign)).context["acts"]]


def state_of(campaign: Campaign) -> str:
    return Campaign.objects.get(pk=campaign.pk).status


@pytest.fixture
def author(db: None) -> User:
    """Return one who writes campaigns, beside a program that runs."""
    apply(program_file(), moment=timezone.now() - 90 * DAY)
    return clerk("ann", *AUTHOR)


@pytest.fixture
def ann(author: User) -> Client:
    """Return the author's browser."""
    return staffed.browser_of(author)


@pytest.fixture
def ben(author: User) -> Client:
    """Return the browser of one who approves."""
    return staffed.browser_of(clerk("ben", *APPROVER))


def written(author: User, **told: Any) -> CampaignDraft:
    body = {
        "code": "triple",
        "name": {"en": "Triple points"},
        "starts_at": (timezone.now() - DAY).isoformat(),
        "ends_at": (timezone.now() + DAY).isoformat(),
        "budget_points": 50_000,
        "rules": [rule("triple-rule", 2)],
        **told,
    }
    return drafts.begin(body=body, by=author, moment=timezone.now())


def test_a_large_campaign_goes_from_the_author_to_the_approver(
    author: User, ann: Client, ben: Client
) -> None:
    campaign = written(author).campaign

    offered = [buttons(ann, campaign), buttons(ben, campaign)]
    press(ann, campaign, "submit")
    offered += [buttons(ann, campaign), buttons(ben, campaign)]
    press(ben, campaign, "approve", "Go")
    offered += [buttons(ann, campaign), buttons(ben, campaign)]

    assert offered == [
        *(["submit", "discard"], []),
        *(["take_back", "discard"], ["approve", "send_back"]),
        *(["pause", "end"], ["pause", "end"]),
    ]
    assert state_of(campaign) == "active"
    page = ben.get(page_of(campaign)).content.decode()
    assert "approved and started · Go" in page
    assert "2 points per 1.00." in page


def test_a_small_one_is_started_by_its_author(author: User, ann: Client) -> None:
    campaign = written(author, budget_points=9000).campaign

    assert buttons(ann, campaign) == ["submit", "start", "discard"]
    press(ann, campaign, "start")

    assert (state_of(campaign), buttons(ann, campaign)) == ("active", ["pause", "end"])


@pytest.mark.parametrize("step", ["start", "approve", "pause", "archive"])
def test_a_forged_step_changes_nothing(step: str, author: User, ann: Client) -> None:
    campaign = written(author).campaign

    answered = press(ann, campaign, step)

    assert answered in (302, 403)
    assert state_of(campaign) == "draft"
    assert not CampaignStep.objects.exists()


def test_who_may_only_look_takes_no_step(author: User) -> None:
    campaign = written(author, budget_points=1).campaign
    eve = staffed.browser_of(clerk("eve", "view_campaign", "view_campaigndraft"))
    edit = reverse("admin:campaigns_campaigndraft_edit", args=[CampaignDraft.objects.get().pk])

    answers = [press(eve, campaign, "start"), eve.get(edit).status_code]

    assert (answers, buttons(eve, campaign)) == ([403, 403], [])


def test_the_form_changes_name_dates_budget_and_hours(author: User, ann: Client) -> None:
    draft = written(author)
    url = reverse("admin:campaigns_campaigndraft_edit", args=[draft.pk])
    shown = ann.get(url).content.decode()
    told = {
        **{"name_en": "Happy evenings", "goal": "Fuller evenings", "budget_points": "7000"},
        **{"starts_at": "2027-03-01T00:00", "ends_at": "2027-04-01T00:00"},
        **{"weekdays": ["FR", "SA"], "from_time": "17:00", "minutes": "120"},
    }

    answer = ann.post(url, told)

    assert answer.status_code == 302, answer.context["form"].errors
    body = CampaignDraft.objects.get().body
    assert "Triple points" in shown
    assert body["name"] == {"en": "Happy evenings"}
    assert body["starts_at"] == "2027-03-01T00:00:00+00:00"
    assert body["schedule"]["rrule"] == "FREQ=WEEKLY;BYDAY=FR,SA"
    assert body["budget_points"] == 7000
    assert body["rules"] == draft.body["rules"]


@pytest.mark.parametrize(
    ("_case", "told", "sentence"),
    [
        ("the end first", {"ends_at": "2020-01-01T00:00"}, "The end comes after the beginning."),
        ("hours without days", {"from_time": "17:00"}, "On which days?"),
        ("no rule that is known", {"rrule": "FREQ=SECONDLY"}, "schedule.rrule"),
        ("no name", {"name_en": ""}, "required"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_on_the_form_and_nothing_is_saved(
    _case: str, told: dict[str, Any], sentence: str, author: User, ann: Client
) -> None:
    draft = written(author)
    url = reverse("admin:campaigns_campaigndraft_edit", args=[draft.pk])
    whole = {"name_en": "New", "starts_at": "2027-03-01T00:00", "ends_at": "2027-04-01T00:00"}

    answer = ann.post(url, {**whole, **told})

    assert sentence in answer.content.decode()
    assert CampaignDraft.objects.get().body == draft.body


def test_rules_are_written_as_text_with_the_sentence_beside(author: User, ann: Client) -> None:
    draft = written(author)
    url = reverse("admin:campaigns_campaigndraft_text", args=[draft.pk])
    page = ann.get(url)
    text = page.context["text"].replace("points: 2", "points: 5")

    looked = ann.post(url, {"text": text, "look": "yes"}).content.decode()
    still = CampaignDraft.objects.get().body
    saved = ann.post(url, {"text": text.replace("\n", "\r\n"), "save": "yes"})

    assert "2 points per 1.00." in page.content.decode()
    assert "5 points per 1.00." in looked
    assert (still, saved.status_code) == (draft.body, 302)
    assert CampaignDraft.objects.get().body["rules"][0]["effects"][0]["points"] == 5


@pytest.mark.parametrize(
    ("_case", "old", "new", "problem"),
    [
        ("a figure", "points: 2", "points: two", "rules[0].effects[0].points (line"),
        ("a currency", "currency: points", "currency: gems", "rules[0].effects[0].currency (line"),
        ("a key", "budget_points: 50000", "budgets: 5", "budgets (line"),
        ("the code", "code: triple\n", "code: other\n", "code (line 1)"),
        ("the state", "name:", "status: active\nname:", "status (line"),
        ("no YAML", "name:", "name: [", "one YAML 1.2 document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_in_the_text_is_named_by_its_path_and_the_text_stays(
    _case: str, old: str, new: str, problem: str, author: User, ann: Client
) -> None:
    draft = written(author)
    url = reverse("admin:campaigns_campaigndraft_text", args=[draft.pk])
    text = ann.get(url).context["text"]
    assert old in text

    page = ann.post(url, {"text": text.replace(old, new, 1), "save": "yes"})

    assert any(problem in each for each in page.context["problems"])
    assert page.context["text"] == text.replace(old, new, 1)
    assert CampaignDraft.objects.get().body == draft.body


def test_a_change_is_compared_sentence_by_sentence(author: User, ann: Client) -> None:
    campaign = written(author, budget_points=9000).campaign
    press(ann, campaign, "start")
    ann.post(reverse("admin:campaigns_campaign_revise", args=[campaign.pk]))
    draft = CampaignDraft.objects.get(state="draft")
    body = {**draft.body, "budget_points": 8000, "rules": [rule("triple-rule", 3)]}
    drafts.edit(draft_id=draft.pk, body=body, by=author, moment=timezone.now())

    difference = ann.get(page_of(campaign)).context["difference"]

    changed = [(each.sign, each.what, each.before, each.after) for each in difference if each.sign]
    assert changed == [
        ("~", "budget_points", "9000", "8000"),
        ("~", "rule triple-rule", "2 points per 1.00.", "3 points per 1.00."),
    ]


def test_going_back_publishes_the_old_version_again(author: User, ann: Client) -> None:
    campaign = written(author, budget_points=9000).campaign
    press(ann, campaign, "start")
    revise = reverse("admin:campaigns_campaign_revise", args=[campaign.pk])
    ann.post(revise)
    draft = CampaignDraft.objects.get(state="draft")
    body = {**draft.body, "rules": [rule("triple-rule", 9)]}
    drafts.edit(draft_id=draft.pk, body=body, by=author, moment=timezone.now())
    press(ann, campaign, "start")

    ann.post(revise, {"version": "1"})
    press(ann, campaign, "start")

    bodies = [each.body for each in CampaignVersion.objects.order_by("number")]
    assert bodies[0] == bodies[2] != bodies[1]
    assert drafts.live()["campaigns"][0]["rules"][0]["effects"][0]["points"] == 2


def test_a_duplicate_has_codes_of_its_own(author: User, ann: Client) -> None:
    campaign = written(author).campaign
    url = reverse("admin:campaigns_campaigndraft_copy", args=[campaign.pk])

    taken = ann.post(url, {"code": "triple"})
    made = ann.post(url, {"code": "triple-again"})

    assert "There is a campaign triple." in taken.content.decode()
    assert made.status_code == 302
    copy = CampaignDraft.objects.get(campaign__code="triple-again")
    assert [each["code"] for each in copy.body["rules"]] == ["triple-again-1"]


def test_the_pages_of_a_campaign_take_few_queries(author: User, ann: Client) -> None:
    campaign = written(author, budget_points=9000).campaign
    press(ann, campaign, "start")
    draft = drafts.revise(campaign=campaign, by=author, moment=timezone.now())

    counts = {}
    for name, url in {
        "list": reverse("admin:campaigns_campaign_changelist"),
        "page": page_of(campaign),
        "form": reverse("admin:campaigns_campaigndraft_edit", args=[draft.pk]),
        "text": reverse("admin:campaigns_campaigndraft_text", args=[draft.pk]),
    }.items():
        with CaptureQueriesContext(connection) as captured:
            assert ann.get(url).status_code == 200
        counts[name] = len(captured)

    assert {name: count for name, count in counts.items() if count > 12} == {}


def test_a_template_above_the_limit_goes_to_review(author: User, ann: Client) -> None:
    today = timezone.localdate()
    told = {"name": "Triple days", "factor": "3", "first_day": today, "last_day": today + 2 * DAY}
    url = reverse("campaign_start", args=["double-points"])

    for budget in (9000, 1001):
        ann.post(url, {**told, "budget_points": budget, "start": "yes"})

    states = Campaign.objects.order_by("pk").values_list("code", "status")
    assert list(states) == [("triple-days", "active"), ("triple-days-2", "in_review")]
