"""What is kept of a judgement, so that its answer can be told again."""

from __future__ import annotations

from typing import Any

from campaigns.earning.results import AwardDraft, NotApplied
from campaigns.services.giving import Prepared
from campaigns.services.granting import Granted
from campaigns.services.judging import Judgement


def evaluation_record(judgement: Judgement | None, *, is_rehearsed: bool = False) -> dict[str, Any]:
    """Return what is kept with the purchase or event that was judged.

    A rehearsal gives no codes away: what it would give gets another one when it is given.
    """
    if judgement is None:
        return {"awards": [], "not_applied": [], "points": {}, "tier": None}
    record: dict[str, Any] = {
        "awards": [
            _award_record(award, judgement.part(award)) for award in judgement.evaluation.awards
        ],
        "not_applied": [_not_applied(each) for each in judgement.evaluation.not_applied],
        "points": _points(judgement),
        "tier": {"before": judgement.tier_before, "after": judgement.tier_after},
    }
    if judgement.grants:
        record["grants"] = [_grant_record(each, is_rehearsed) for each in judgement.grants]
    return record


def _grant_record(each: Prepared, is_rehearsed: bool) -> dict[str, Any]:
    draft, voucher = each.draft, each.details.get("voucher")
    if voucher and is_rehearsed:
        voucher = {**voucher, "code": None}
    return {
        "id": None if is_rehearsed else str(each.public_id),
        "rule": {"code": draft.rule_code, "version": draft.rule_version, "name": draft.rule_name},
        "campaign": draft.campaign,
        "kind": draft.kind,
        "text": draft.text,
        "voucher": voucher,
    }


def _points(judgement: Judgement) -> dict[str, dict[str, int]]:
    """Return by currency what was granted, and in which state it is."""
    totals: dict[str, dict[str, int]] = {}
    for granted in judgement.granted.values():
        figures = totals.setdefault(
            granted.currency.code, {"granted": 0, "available": 0, "pending": 0, "paid_debt": 0}
        )
        pending = granted.points if granted.is_pending else 0
        figures["granted"] += granted.points
        figures["available"] += granted.points - pending - granted.paid_debt
        figures["pending"] += pending
        figures["paid_debt"] += granted.paid_debt
    return totals


def _award_record(award: AwardDraft, granted: Granted) -> dict[str, Any]:
    return {
        "currency": award.currency,
        "rule": {"code": award.rule_code, "version": award.rule_version, "name": award.rule_name},
        "campaign": award.campaign,
        "line_id": award.line_id,
        "points": award.points,
        "state": "pending" if granted.is_pending else "available",
        "available_at": granted.known_available_at,
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
        "because_of": each.because_of,
        "text": each.text,
    }
