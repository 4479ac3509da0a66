"""The program as anyone may read it: tiers, points, live rules and policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from campaigns.earning.sentences import cap_sentence, rule_sentence, stacking_sentences
from campaigns.programfile.rule_document import LIVE_STATUSES
from campaigns.queries.changes import told
from loyalty_site.lib.languages import pick
from members.models import PointCurrency, Program, Tier


def published_program(
    program: Program, languages: Sequence[str], moment: datetime
) -> dict[str, Any]:
    """Return the program in the first of the languages that each text has, as of ``moment``."""
    document = program.document
    return {
        "code": program.code,
        "name": program.name,
        "currency": program.currency,
        "timezone": program.timezone,
        "locale": program.locale,
        "claim_days": program.claim_days,
        "points": [_currency(row) for row in _currencies(program)],
        "tiers": _tiers(program, languages),
        "tier_policy": program.tier_policy or None,
        "rules": [
            *(_rule(rule, None, languages) for rule in document.get("rules", ())),
            *_campaign_rules(document, languages, moment),
        ],
        "changes": told(program, languages, moment),
        "caps": [{**cap, "sentence": cap_sentence(cap)} for cap in document.get("caps", ())],
        "stacking": stacking_sentences(document.get("stacking") or {}),
    }


def _currencies(program: Program) -> list[PointCurrency]:
    return list(
        PointCurrency.objects.filter(program=program, is_retired=False).order_by("position", "pk")
    )


def _currency(row: PointCurrency) -> dict[str, Any]:
    return {
        "code": row.code,
        "kind": row.kind,
        "names": row.names,
        "value": None if not row.value else f"{row.value.normalize():f}",
        "pending_days": row.pending_days,
        "pending": row.pending and {k: v for k, v in row.pending.items() if v is not None},
        "expiry": _expiry(row.expiry),
        "returns": {
            "policy": row.returns_policy,
            "limit": row.debt_limit,
            "grace_days": row.grace_days,
        },
    }


def _expiry(expiry: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: value for key, value in expiry.items() if value is not None}
    if told.get("model") != "inactivity":
        # Kept for the points of an earlier model.
        told.pop("renewed_by", None)
    return told


def _tiers(program: Program, languages: Sequence[str]) -> list[dict[str, Any]]:
    rows = Tier.objects.filter(program=program, is_retired=False).order_by("threshold", "pk")
    return [
        {
            "code": tier.code,
            "name": pick(tier.name, languages, tier.code),
            "threshold": tier.threshold,
            "benefits": [pick(text, languages) for text in tier.benefits],
        }
        for tier in rows
    ]


def _campaign_rules(
    document: Mapping[str, Any], languages: Sequence[str], moment: datetime
) -> list[dict[str, Any]]:
    return [
        _rule(rule, campaign, languages)
        for campaign in document.get("campaigns", ())
        if campaign["status"] in LIVE_STATUSES and _is_live(campaign, moment)
        for rule in campaign["rules"]
    ]


def _is_live(campaign: Mapping[str, Any], moment: datetime) -> bool:
    starts_at, ends_at = campaign["starts_at"], campaign["ends_at"]
    return (starts_at is None or datetime.fromisoformat(starts_at) <= moment) and (
        ends_at is None or moment < datetime.fromisoformat(ends_at)
    )


def _rule(
    rule: Mapping[str, Any], campaign: Mapping[str, Any] | None, languages: Sequence[str]
) -> dict[str, Any]:
    around = None
    if campaign is not None:
        around = {
            "code": campaign["code"],
            "name": pick(campaign["name"], languages, campaign["code"]),
            "starts_at": _instant(campaign["starts_at"]),
            "ends_at": _instant(campaign["ends_at"]),
        }
    return {
        "code": rule["code"],
        "name": pick(rule["name"], languages, rule["code"]),
        "trigger": rule["trigger"],
        "currencies": list(
            dict.fromkeys(each["currency"] for each in rule["effects"] if "currency" in each)
        ),
        "sentence": rule_sentence(rule, campaign and campaign.get("schedule")),
        "campaign": around,
    }


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
