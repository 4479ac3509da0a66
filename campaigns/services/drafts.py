"""Campaigns written, reviewed and started by staff.

A draft is a campaign as the program file has it. What is live is the program's document alone:
starting a draft, and every later step, puts the campaign into the newest document and has that
applied like a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from campaigns import comparing, lifecycle
from campaigns.lifecycle import State
from campaigns.models import Campaign, CampaignDraft, CampaignVersion
from campaigns.programfile.single import campaign_in, with_campaign
from campaigns.services import program as programs
from campaigns.services.campaign_rows import OPEN_DRAFTS, CampaignStepRefused, Hand, note_step
from loyalty_site.lib.constraints import refusing
from loyalty_site.lib.errors import DomainError
from members.models import Program, User
from members.queries.program import NoProgram
from members.services.approvals import NotWaiting, SamePerson

DraftState = CampaignDraft.State


class BudgetNeedsSecondPerson(DomainError):
    """The campaign may cost more than one person may start alone."""

    code = "budget_needs_second_person"
    title = "A second person has to approve this"
    cause = (
        "The campaign has no budget, or with what the same person started alone within a day a"
        " larger one than one person may start."
    )
    remedy = "Submit it for review; a colleague who may approve campaigns starts it."


class ChangedMeanwhile(DomainError):
    """Somebody else published another change of the same parts."""

    code = "campaign_changed_meanwhile"
    title = "The campaign was changed meanwhile"
    cause = "Since the draft was begun somebody published other figures for the same parts."
    remedy = "Compare the draft with what is live, take over what you want, and submit it again."


class CodeTaken(DomainError):
    """A campaign or rule of that code exists."""

    code = "campaign_code_taken"
    title = "The code is taken"
    cause = "A campaign keeps its code for ever, also after it was archived."
    remedy = "Choose another code."


class DraftExists(DomainError):
    """Somebody writes at a change of the campaign already."""

    code = "campaign_draft_exists"
    title = "There is a draft already"
    cause = "A campaign has one open draft, so that two changes do not overtake each other."
    remedy = "Go on with that draft, or discard it first."


_REFUSALS: Final[dict[str, type[DomainError]]] = {
    "campaigns_campaigndraft_two_people": SamePerson,
    "campaigns_campaigndraft_above_limit": BudgetNeedsSecondPerson,
    "campaigns_campaigndraft_one_open": DraftExists,
    "campaigns_campaigndraft_course": NotWaiting,
    "campaigns_campaign_course": CampaignStepRefused,
    "campaigns_campaign_code": CodeTaken,
}


def live() -> dict[str, Any]:
    """Return the live document.

    :raises NoProgram: no program file has been applied.
    """
    document = programs.live_document()
    if document is None:
        raise NoProgram
    return document


def live_campaign(code: str) -> dict[str, Any] | None:
    """Return a campaign of the live document with its state, None where there is none."""
    return next((each for each in live().get("campaigns") or () if each["code"] == code), None)


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body with every default filled, as the live program can have it.

    :raises ProgramFileError: it cannot; paths are those within the campaign.
    """
    document = with_campaign(live(), {**body, "status": "active"})
    return campaign_in(document, body["code"])


@transaction.atomic
def begin(
    *,
    body: Mapping[str, Any],
    by: User,
    moment: datetime,
    goal: str = "",
    source: CampaignVersion | None = None,
) -> CampaignDraft:
    """Write a new campaign as a draft; it gives nothing until it is started.

    :raises CodeTaken: there is a campaign, or a rule, of that code.
    :raises ProgramFileError: it is no campaign of this program.
    """
    taken = comparing.codes(live().get("campaigns") or ())
    if body["code"] in taken or Campaign.objects.filter(code=body["code"]).exists():
        raise CodeTaken(f"There is a campaign {body['code']}.")
    full = checked(body)
    with refusing(_REFUSALS):
        campaign = Campaign.objects.create(
            program=Program.objects.get(), code=full["code"], status=State.DRAFT, **_shown(full)
        )
    return _draft(campaign, full, None, by, moment, goal, source)


def duplicate(*, campaign: Campaign, code: str, by: User, moment: datetime) -> CampaignDraft:
    """Write what a campaign says once more, under other codes, as a draft of its own.

    :raises CodeTaken: there is a campaign, or a rule, of that code.
    """
    newest = campaign.versions.order_by("-number").first()
    opened = open_draft(campaign)
    said = opened.body if opened else newest.body if newest else None
    if said is None:
        raise CampaignStepRefused(f"{campaign.code} says nothing yet.")
    rules = [
        {**rule, "code": f"{code}-{number}"} for number, rule in enumerate(said["rules"], start=1)
    ]
    body = {**said, "code": code, "rules": rules}
    return begin(body=body, by=by, moment=moment, source=None if opened else newest)


def _shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the row of a campaign shows before it is published."""
    return {
        "name": body["name"],
        "starts_at": body["starts_at"],
        "ends_at": body["ends_at"],
        "budget_points": body["budget_points"],
    }


@transaction.atomic
def revise(
    *, campaign: Campaign, by: User, moment: datetime, source: CampaignVersion | None = None
) -> CampaignDraft:
    """Begin a change of a published campaign, from what is live or from an old version of it.

    :raises DraftExists: a change is open already.
    :raises CampaignStepRefused: it is archived, or no document has it any more.
    """
    now = live_campaign(campaign.code)
    if now is None or campaign.status == State.ARCHIVED:
        raise CampaignStepRefused(f"{campaign.code} is not part of the program any more.")
    base = comparing.written(now)
    return _draft(campaign, source.body if source else base, base, by, moment, "", source)


def _draft(
    campaign: Campaign,
    body: Mapping[str, Any],
    base: Mapping[str, Any] | None,
    by: User,
    moment: datetime,
    goal: str,
    source: CampaignVersion | None,
) -> CampaignDraft:
    draft = CampaignDraft(
        campaign=campaign,
        body=checked(body),
        base=base,
        base_version=campaign.program.version,
        goal=goal,
        source=source,
        author=by,
        created_at=moment,
        edited_by=by,
        edited_at=moment,
    )
    with refusing(_REFUSALS):
        draft.save(force_insert=True)
    draft.refresh_from_db(fields=["budget_points", "limit_points"])
    return draft


@transaction.atomic
def edit(
    *, draft_id: int, body: Mapping[str, Any], by: User, moment: datetime, goal: str | None = None
) -> CampaignDraft:
    """Change what a draft says.

    :raises NotWaiting: it is in review, or its course is over.
    :raises ProgramFileError: it is no campaign of this program.
    """
    draft = _locked(draft_id, DraftState.DRAFT)
    draft.body = checked({**body, "code": draft.campaign.code})
    draft.goal = draft.goal if goal is None else goal
    draft.edited_by, draft.edited_at = by, moment
    with refusing(_REFUSALS):
        draft.save(update_fields=["body", "goal", "edited_by", "edited_at"])
    if draft.campaign.status == State.DRAFT:
        Campaign.objects.filter(pk=draft.campaign_id).update(**_shown(draft.body))
    draft.refresh_from_db(fields=["budget_points", "limit_points"])
    return draft


@transaction.atomic
def submit(*, draft_id: int, by: User, moment: datetime) -> CampaignDraft:
    """Ask a colleague to look at a draft; from now on it says what it says.

    :raises NotWaiting: it is in review already, or its course is over.
    """
    draft = _locked(draft_id, DraftState.DRAFT)
    draft.state, draft.submitted_at, draft.answer = DraftState.IN_REVIEW, moment, ""
    return _turned(draft, "submit", by, moment)


@transaction.atomic
def send_back(*, draft_id: int, by: User, moment: datetime, answer: str = "") -> CampaignDraft:
    """Give a draft back to whoever wrote it, who may also take it back.

    :raises NotWaiting: it is not in review.
    """
    draft = _locked(draft_id, DraftState.IN_REVIEW)
    draft.state, draft.answer = DraftState.DRAFT, answer
    is_own = by.pk in (draft.author_id, draft.edited_by_id)
    return _turned(draft, "take_back" if is_own else "send_back", by, moment, answer)


@transaction.atomic
def discard(*, draft_id: int, by: User, moment: datetime) -> CampaignDraft:
    """Give a draft up; a campaign that never was live is archived with it.

    :raises NotWaiting: its course is over.
    """
    draft = _locked(draft_id, DraftState.DRAFT, DraftState.IN_REVIEW)
    draft.state = DraftState.DISCARDED
    return _turned(draft, "discard", by, moment)


def _turned(
    draft: CampaignDraft, step: str, by: User, moment: datetime, note: str = ""
) -> CampaignDraft:
    """Write the draft's step down, and let a campaign that never was live go with its draft."""
    campaign, before = draft.campaign, draft.campaign.status
    with refusing(_REFUSALS):
        draft.save(update_fields=["state", "submitted_at", "answer"])
        if before in lifecycle.UNPUBLISHED:
            is_over = draft.state == DraftState.DISCARDED
            campaign.status = State.ARCHIVED if is_over else State(draft.state)
            campaign.save(update_fields=["status"])
    note_step(
        campaign=campaign, name=step, before=before, user_id=by.pk, moment=moment, note=note[:500]
    )
    return draft


@transaction.atomic
def start(*, draft_id: int, by: User, moment: datetime) -> CampaignDraft:
    """Publish a draft within the budget that one person may start alone.

    :raises BudgetNeedsSecondPerson: it is above that, has no budget, or is too much of a day.
    :raises ChangedMeanwhile: somebody published another change of the same parts.
    :raises NotWaiting: it is in review, or its course is over.
    """
    programs.lock()
    draft = _locked(draft_id, DraftState.DRAFT)
    if not may_start_alone(draft):
        raise BudgetNeedsSecondPerson
    return _publish(draft, "start", by, moment, "")


def may_start_alone(draft: CampaignDraft) -> bool:
    """Return whether the draft's budget is within what one person may start."""
    return draft.budget_points is not None and draft.budget_points <= draft.limit_points


@transaction.atomic
def approve(*, draft_id: int, by: User, moment: datetime, answer: str = "") -> CampaignDraft:
    """Agree to a draft of somebody else, and publish it in the same transaction.

    :raises SamePerson: the same person wrote it, or edited it last.
    :raises ChangedMeanwhile: somebody published another change of the same parts.
    :raises NotWaiting: it is not in review.
    """
    programs.lock()
    draft = _locked(draft_id, DraftState.IN_REVIEW)
    if by.pk in (draft.author_id, draft.edited_by_id):
        raise SamePerson
    draft.decided_by, draft.decided_at, draft.answer = by, moment, answer
    return _publish(draft, "approve", by, moment, answer)


def _publish(
    draft: CampaignDraft, step: str, by: User, moment: datetime, note: str
) -> CampaignDraft:
    code, now = draft.campaign.code, live_campaign(draft.campaign.code)
    merged = rebased(draft, now)
    if merged.conflicts:
        raise ChangedMeanwhile(
            f"Changed meanwhile: {', '.join(merged.conflicts)}.", parts=list(merged.conflicts)
        )
    # A pause is no part of what is written: it lasts until somebody resumes the campaign.
    is_paused = now is not None and now["status"] == State.PAUSED
    status = State.PAUSED if is_paused else State.ACTIVE
    hand = Hand(
        code=code, step=step if now is None else "republish", user_id=by.pk, note=note[:500]
    )
    _apply({**merged.body, "status": str(status)}, hand, moment)
    draft.version = draft.campaign.versions.order_by("-number").first()
    draft.state = DraftState.PUBLISHED
    with refusing(_REFUSALS):
        draft.save(update_fields=["state", "version", "decided_by", "decided_at", "answer"])
    return draft


def rebased(draft: CampaignDraft, now: Mapping[str, Any] | None) -> comparing.Merged:
    """Return the draft brought onto what is live now, with the parts that both changed."""
    return comparing.merge(base=draft.base, live=now, mine=draft.body)


def _apply(campaign: Mapping[str, Any], hand: Hand, moment: datetime) -> None:
    document = with_campaign(live(), campaign)
    with refusing(_REFUSALS):
        programs.apply(
            document=document,
            moment=moment,
            actor=f"staff:{hand.user_id}",
            hand=hand,
            is_file=False,
        )


@transaction.atomic
def take_step(
    *, campaign: Campaign, step: str, by: User, moment: datetime, note: str = ""
) -> Campaign:
    """Pause, resume, end or archive a campaign: the document says so from now on.

    :raises CampaignStepRefused: its state does not have that step.
    """
    programs.lock()
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    now = live_campaign(campaign.code)
    known = lifecycle.BY_NAME.get(step)
    if now is None or step not in SAID or known is None or campaign.status not in known.before:
        raise CampaignStepRefused(f"{campaign.code} is {campaign.get_status_display()}.")
    hand = Hand(code=campaign.code, step=step, user_id=by.pk, note=note[:500])
    _apply({**now, "status": SAID[step]}, hand, moment)
    campaign.refresh_from_db()
    return campaign


# What the document says after a step.
SAID: Final = {"pause": "paused", "resume": "active", "end": "ended", "archive": "archived"}


def _locked(draft_id: int, *states: str) -> CampaignDraft:
    draft = (
        CampaignDraft.objects.select_for_update(no_key=True, of=("self",))
        .select_related("campaign__program")
        .get(pk=draft_id)
    )
    if draft.state not in states:
        raise NotWaiting(f"It is {draft.get_state_display()}.")
    return draft


def open_draft(campaign: Campaign) -> CampaignDraft | None:
    """Return the campaign's draft that is not published yet."""
    return campaign.drafts.filter(OPEN_DRAFTS).first()
