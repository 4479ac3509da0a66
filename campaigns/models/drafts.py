"""Campaigns before they are live, what they were from version to version, and who did what."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from campaigns.models.rules import Campaign
from members.models import Program
from members.models.approvals import staff_column


class CampaignPolicy(models.Model):
    """How large a budget one person may start alone, at once and within a day.

    A program without a row has the figure that ``campaign_limit`` in SQL states.
    """

    program = models.OneToOneField(Program, models.PROTECT, related_name="campaign_policy")
    budget_points_alone = models.BigIntegerField(
        _("budget alone, in points"),
        default=10_000,
        help_text=_("A campaign with more points, or without a budget, needs a second person."),
        db_comment="Largest budget, in points, that needs no second person.",
    )

    class Meta:
        verbose_name_plural = "campaign policies"
        constraints = [
            models.CheckConstraint(
                name="campaigns_campaignpolicy_not_negative",
                condition=Q(budget_points_alone__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"limit of {self.program_id}"


class CampaignVersion(models.Model):
    """What a campaign was from the moment it was published; never changed."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    body = models.JSONField(db_comment="The campaign as the program's document has it.")
    published_at = models.DateTimeField()
    actor = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "number"], name="campaigns_campaignversion_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} v{self.number}"


class CampaignDraft(models.Model):
    """A campaign that somebody writes, or a change of one, until it is published.

    ``campaigns/sql/drafts.sql`` holds from which state to which it goes, and that what was
    submitted is what is published.
    """

    class State(models.TextChoices):
        """How far the draft is."""

        DRAFT = "draft", _("draft")
        IN_REVIEW = "in_review", _("in review")
        PUBLISHED = "published", _("published")
        DISCARDED = "discarded", _("discarded")

    campaign = models.ForeignKey(
        Campaign, models.PROTECT, related_name="drafts", verbose_name=_("campaign")
    )
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.DRAFT)
    body = models.JSONField(db_comment="The campaign as the program file has it.")
    base = models.JSONField(
        null=True, blank=True, db_comment="What was live when it was begun; null for a new one."
    )
    base_version = models.BigIntegerField(db_comment="The program's version when it was begun.")
    goal = models.CharField(_("goal"), max_length=200, blank=True)
    source = models.ForeignKey(
        CampaignVersion,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_comment="The version that it goes back to, or is a copy of.",
    )
    budget_points = models.BigIntegerField(
        null=True, blank=True, editable=False, db_comment="Of the body; set by the database."
    )
    limit_points = models.BigIntegerField(
        default=0,
        editable=False,
        db_comment="The budget that one person may start alone; set by the database.",
    )
    author = staff_column()
    created_at = models.DateTimeField()
    edited_by = staff_column()
    edited_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    decided_by = staff_column(blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(blank=True, db_comment="What the second person said to it.")
    version = models.OneToOneField(
        CampaignVersion, models.PROTECT, null=True, blank=True, related_name="draft"
    )

    class Meta:
        permissions = [("approve_campaigndraft", "Can approve campaigns of others")]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"],
                condition=Q(state__in=["draft", "in_review"]),
                name="campaigns_campaigndraft_one_open",
            ),
            models.CheckConstraint(
                name="campaigns_campaigndraft_written",
                condition=Q(author__isnull=False, edited_by__isnull=False),
            ),
            models.CheckConstraint(
                name="campaigns_campaigndraft_two_people",
                condition=~Q(state="published")
                | Q(decided_by__isnull=True)
                | (~Q(decided_by=F("author")) & ~Q(decided_by=F("edited_by"))),
            ),
            models.CheckConstraint(
                name="campaigns_campaigndraft_above_limit",
                condition=~Q(state="published")
                | Q(decided_by__isnull=False)
                | Q(budget_points__isnull=False, budget_points__lte=F("limit_points")),
            ),
            models.CheckConstraint(
                name="campaigns_campaigndraft_decided",
                # Only a draft that was in review is decided, by the trigger.
                condition=Q(decided_by__isnull=True, decided_at__isnull=True)
                | Q(decided_by__isnull=False, decided_at__isnull=False, state="published"),
            ),
            models.CheckConstraint(
                name="campaigns_campaigndraft_published",
                condition=Q(state="published", version__isnull=False)
                | Q(version__isnull=True) & ~Q(state="published"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.body.get('code', '')} ({self.state})"


class CampaignStep(models.Model):
    """A step in the life of a campaign: who took it, and when; never changed."""

    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="steps")
    name = models.CharField(max_length=16)
    before = models.CharField(max_length=16)
    after = models.CharField(max_length=16)
    user = staff_column(blank=True)
    actor = models.CharField(max_length=64, blank=True, db_comment="Who, where it is no login.")
    taken_at = models.DateTimeField()
    version = models.ForeignKey(
        CampaignVersion, models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return f"{self.name} of {self.campaign_id}"
