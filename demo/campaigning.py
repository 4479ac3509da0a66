"""What the demo's staff wrote of campaigns: one that waits for review, and a dearer reward."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns import fairness
from campaigns.campaign_templates import BY_CODE, Wish
from campaigns.programfile import ProgramDocument, canonical, from_canonical
from campaigns.services import drafts, program
from demo.by_hand import clerk

CODE: Final = "dairy-fortnight"
DEARER: Final = {"rewards.tote.points_price": 1000}


def stated(document: ProgramDocument) -> ProgramDocument:
    """Return the demo's program with the price that is announced, and with what staff started.

    The first application of the file knows neither: there is nothing yet that could be dearer.
    """
    live = program.live_document()
    if live is None:
        return document
    whole = canonical(document)
    known = {each["code"] for each in whole["campaigns"]}
    whole["campaigns"] += [each for each in live["campaigns"] if each["code"] not in known]
    return from_canonical(fairness.with_values(whole, DEARER))


def write_campaign(moment: datetime) -> bool:
    """Write a campaign above what one person may start, and submit it; a repeat writes none."""
    document = drafts.live()
    zone = ZoneInfo(document["program"]["timezone"])
    begins = (moment.astimezone(zone) + timedelta(days=3)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    wish = Wish(
        code=CODE,
        name="Dairy fortnight",
        locale=document["program"]["locale"],
        currency=document["points"][0]["code"],
        starts_at=begins,
        ends_at=begins + timedelta(days=14),
        budget_points=60_000,
        category="dairy",
        per_unit=2,
    )
    try:
        draft = drafts.begin(
            body=BY_CODE["category-week"].body(wish),
            by=clerk(),
            moment=moment,
            goal="Win back what the market sells",
        )
    except drafts.CodeTaken:
        return False
    drafts.submit(draft_id=draft.pk, by=clerk(), moment=moment)
    return True
