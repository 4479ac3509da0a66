"""Who of the staff may take which step with a campaign, and what the steps are called."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from campaigns import lifecycle
from campaigns.lifecycle import Who
from campaigns.models import Campaign, CampaignDraft
from campaigns.services import drafts
from members.models import User

# What each step is called on its button; the order is that of the buttons.
STEPS = {
    "submit": gettext_lazy("Submit for review"),
    "start": gettext_lazy("Start"),
    "approve": gettext_lazy("Approve and start"),
    "send_back": gettext_lazy("Send back"),
    "take_back": gettext_lazy("Take back"),
    "resume": gettext_lazy("Resume"),
    "pause": gettext_lazy("Pause"),
    "end": gettext_lazy("End"),
    "archive": gettext_lazy("Archive"),
    "discard": gettext_lazy("Discard"),
}
DANGERS = frozenset({"end", "archive", "discard", "send_back"})
# What a step was called when it was taken, for the life of a campaign.
TAKEN = {
    **{name: gettext_lazy(text) for name, text in (("submit", "submitted"), ("start", "started"))},
    "approve": gettext_lazy("approved and started"),
    "send_back": gettext_lazy("sent back"),
    "take_back": gettext_lazy("taken back"),
    "discard": gettext_lazy("discarded"),
    "begin": gettext_lazy("began"),
    "run_out": gettext_lazy("ran out"),
    "pause": gettext_lazy("paused"),
    "resume": gettext_lazy("resumed"),
    "end": gettext_lazy("ended"),
    "archive": gettext_lazy("archived"),
    "republish": gettext_lazy("changed"),
    "file": gettext_lazy("set by the program file"),
}


def roles_of(user: User) -> set[Who]:
    """Return the roles that a login has among campaigns."""
    roles = set()
    if user.has_perm("campaigns.change_campaigndraft"):
        roles.add(Who.AUTHOR)
    if user.has_perm("campaigns.approve_campaigndraft"):
        roles.add(Who.APPROVER)
    return roles


def steps_for(campaign: Campaign, draft: CampaignDraft | None, user: User) -> list[str]:
    """Return the steps that the person may take now, of the draft and of the campaign."""
    roles, found = roles_of(user), set()
    if draft is not None:
        found |= set(lifecycle.steps_from(draft.state, roles)) & {*_DRAFT_STEPS}
        is_own = user.pk in (draft.author_id, draft.edited_by_id)
        found -= {"approve", "send_back"} if is_own else {"take_back"}
        if not drafts.may_start_alone(draft):
            found.discard("start")
    if campaign.status not in lifecycle.UNPUBLISHED and not campaign.is_retired:
        found |= set(lifecycle.steps_from(campaign.status, roles)) & {*drafts.SAID}
    return [name for name in STEPS if name in found]


_DRAFT_STEPS = ("submit", "start", "approve", "send_back", "take_back", "discard")
