"""Rules, what they gave and why."""

from campaigns.models.awards import Award, AwardReversal, Event
from campaigns.models.changes import AnnouncedChange
from campaigns.models.claims import ClaimCase
from campaigns.models.codes import CodeBatch, EarningCode
from campaigns.models.drafts import (
    CampaignDraft,
    CampaignPolicy,
    CampaignStep,
    CampaignVersion,
)
from campaigns.models.grants import RuleGrant, RuleGrantReversal
from campaigns.models.occasions import OccasionMark
from campaigns.models.rules import (
    Campaign,
    EarningRule,
    LimitCounter,
    Publication,
    RuleVersion,
)
from campaigns.models.surveys import Survey, SurveyAnswer
from campaigns.models.trials import Backtest

__all__ = [
    "AnnouncedChange",
    "Award",
    "AwardReversal",
    "Backtest",
    "Campaign",
    "CampaignDraft",
    "CampaignPolicy",
    "CampaignStep",
    "CampaignVersion",
    "ClaimCase",
    "CodeBatch",
    "EarningCode",
    "EarningRule",
    "Event",
    "LimitCounter",
    "OccasionMark",
    "Publication",
    "RuleGrant",
    "RuleGrantReversal",
    "RuleVersion",
    "Survey",
    "SurveyAnswer",
]
