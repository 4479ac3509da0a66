"""What is kept of a judgement, so that its answer can be told again."""

from __future__ import annotations

from typing import Any

from campaigns.earning.results import AwardDraft, NotApplied
from campaigns.services.judging import Granted, Judgement


def evaluation_record(judgement: Judgement | None) -> dict[str, Any]:
    """Return what is kept with the purchase or event that was judged."""
    if judgement is None:
        return {"awards": [], "not_applied": [], "points": {}, "tier": None}
    return {
        "awards": [
            _award_record(award, judgement.granted[award.currency])
            for award in judgement.evaluation.awards
        ],
        "not_applied": [_not_applied(each) for each in judgement.evaluation.not_applied],
        "points": {code: _points(each) for code, each in judgement.granted.items()},
        "tier": {"before": judgement.tier_before, "after": judgement.tier_after},
    }


def _points(granted: Granted) -> dict[str, int]:
    pending = granted.points if granted.is_pending else 0
    return {
        "granted": granted.points,
        "available": granted.points - pending - granted.paid_debt,
        "pending": pending,
        "paid_debt": granted.paid_debt,
    }


def _award_record(award: AwardDraft, granted: Granted) -> dict[str, Any]:
    return {
        "currency": award.currency,
        "rule": {"code": award.rule_code, "version": award.rule_version, "name": award.rule_name},
        "campaign": award.campaign,
        "line_id": award.line_id,
        "points": award.points,
        "state": "pending" if granted.is_pending else "available",
        "available_at": granted.available_at,
        "expires_at": granted.expires_at,
        "requested": award.requested,
        "capped_by": award.capped_by,
        "text": award.text,
    }


def _not_applied(each: NotApplied) -> dict[str, Any]:
    rule = None
    if each.rule_code is not None:
        rule = {"code": each.rule_code, "version": each.rule_version, "name": each.rule_name}
    return {
        "rule": rule,
        "campaign": each.campaign,
        "currency": each.currency,
        "reason": each.reason,
        "missing": each.missing,
        "coupon": each.coupon,
        "text": each.text,
    }
