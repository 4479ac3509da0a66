"""Campaigns as rows: their state, their versions and their steps, as the document says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from campaigns import lifecycle
from campaigns.comparing import said, written
from campaigns.lifecycle import State
from campaigns.models import Campaign, CampaignDraft, CampaignStep, CampaignVersion
from loyalty_site.lib.errors import DomainError
from members.models import Program

OPEN_DRAFTS = Q(state__in=[CampaignDraft.State.DRAFT, CampaignDraft.State.IN_REVIEW])
CLOCK = "clock"


class CampaignStepRefused(DomainError):
    """No step leads from the campaign's state to the one that is wanted."""

    code = "campaign_step_refused"
    title = "The campaign cannot go there"
    cause = "What is archived stays so, and a campaign takes only the steps of its state."
    remedy = "Copy the campaign under another code, or take a step that its page offers."


@dataclass(frozen=True, kw_only=True, slots=True)
class Hand:
    """The step for which a person has the document applied; ``code`` is the campaign's."""

    code: str
    step: str
    user_id: int
    note: str = ""


def apply_campaigns(
    *,
    program: Program,
    rows: Iterable[Mapping[str, Any]],
    moment: datetime,
    actor: str,
    hand: Hand | None = None,
) -> None:
    """Write the campaigns of the canonical document; a repeat changes nothing.

    :raises CampaignStepRefused: one would take a step that there is not.
    """
    known = {each.code: each for each in Campaign.objects.filter(program=program)}
    kept = []
    for row in rows:
        campaign = known.get(row["code"]) or Campaign(program=program, code=row["code"], status="")
        _write(campaign, row, moment, actor, hand if hand and hand.code == row["code"] else None)
        kept.append(campaign.pk)
    gone = Campaign.objects.filter(program=program, is_retired=False).exclude(pk__in=kept)
    # Whoever writes one keeps it: no document has it yet.
    gone.exclude(drafts__in=CampaignDraft.objects.filter(OPEN_DRAFTS)).update(is_retired=True)


def _write(
    campaign: Campaign, row: Mapping[str, Any], moment: datetime, actor: str, hand: Hand | None
) -> None:
    starts_at, ends_at = instant(row["starts_at"]), instant(row["ends_at"])
    before = campaign.status
    after = lifecycle.by_clock(_status_said(row, before), starts_at, ends_at, moment)
    if before and not lifecycle.is_legal(before, after):
        raise CampaignStepRefused(f"{campaign.code} is {before} and cannot become {after}.")
    campaign.name = row["name"]
    campaign.status = after
    campaign.starts_at, campaign.ends_at = starts_at, ends_at
    campaign.budget_points = row["budget_points"]
    campaign.budget_money = row["budget_money"]
    campaign.budget_uses = row["budget_uses"]
    campaign.is_retired = False
    campaign.save()
    version, is_new = _version(campaign, row, moment, actor)
    if hand is None and before == after:
        if is_new:
            _note(campaign, "file", before, moment, actor=actor, version=version)
        return
    if hand is not None:
        _note(
            campaign,
            hand.step,
            before,
            moment,
            user_id=hand.user_id,
            note=hand.note,
            version=version,
        )
        return
    name = "file" if is_new or not _is_of_clock(before, after) else clock_step(after)
    _note(campaign, name, before, moment, actor=actor, version=version)


def _status_said(row: Mapping[str, Any], before: str) -> str:
    """Return the state that the document means: what was live once is no draft any more."""
    if row["status"] != State.DRAFT or before in ("", *lifecycle.UNPUBLISHED):
        return str(row["status"])
    return before if before in (State.ENDED, State.ARCHIVED) else State.PAUSED


def _is_of_clock(before: str, after: str) -> bool:
    return any(
        lifecycle.Who.CLOCK in step.who and before in step.before and after in step.after
        for step in lifecycle.STEPS
    )


def clock_step(after: str) -> str:
    """Return what the clock's step to a state is called."""
    return "run_out" if after == State.ENDED else "begin"


def _version(
    campaign: Campaign, row: Mapping[str, Any], moment: datetime, actor: str
) -> tuple[CampaignVersion | None, bool]:
    newest = campaign.versions.order_by("-number").first()
    body = written(row)
    if newest is not None and said(newest.body) == said(body):
        return newest, False
    if campaign.status == State.DRAFT:
        # Never published: the document holds it back.
        return None, False
    made = CampaignVersion.objects.create(
        campaign=campaign,
        number=newest.number + 1 if newest else 1,
        body=body,
        published_at=moment,
        actor=actor,
    )
    return made, True


def _note(
    campaign: Campaign,
    name: str,
    before: str,
    moment: datetime,
    *,
    user_id: int | None = None,
    actor: str = "",
    note: str = "",
    version: CampaignVersion | None = None,
) -> None:
    CampaignStep.objects.create(
        campaign=campaign,
        name=name,
        before=before,
        after=campaign.status,
        user_id=user_id,
        actor="" if user_id else actor,
        taken_at=moment,
        version=version,
        note=note,
    )


def note_step(
    *, campaign: Campaign, name: str, before: str, user_id: int, moment: datetime, note: str = ""
) -> None:
    """Write down a step that changed no document, such as a submission."""
    _note(campaign, name, before, moment, user_id=user_id, note=note)


def instant(value: str | None) -> datetime | None:
    """Return the instant of its text in ISO form."""
    return None if value is None else datetime.fromisoformat(value)


def move_by_clock(*, moment: datetime) -> int:
    """Bring the state of every campaign up to the clock; return how many moved.

    What a campaign gives follows its window and not this: the job keeps the label right. A
    repeat finds nothing.
    """
    due = Campaign.objects.filter(
        Q(status=State.SCHEDULED, starts_at__lte=moment)
        | Q(status__in=[State.SCHEDULED, State.ACTIVE, State.PAUSED], ends_at__lte=moment),
    )
    moved = 0
    for campaign in due.order_by("pk").select_for_update(no_key=True):
        before = campaign.status
        campaign.status = lifecycle.by_clock(before, campaign.starts_at, campaign.ends_at, moment)
        if campaign.status == before:
            continue
        campaign.save(update_fields=["status"])
        _note(campaign, clock_step(campaign.status), before, moment, actor=CLOCK)
        moved += 1
    return moved
