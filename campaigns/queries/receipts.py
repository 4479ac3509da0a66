"""Why points were given: the awards behind the lines of a statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from campaigns.models import Award
from campaigns.queries.rulebook import localized


def receipts_for(
    transaction_ids: Sequence[int], locale: str = "en"
) -> dict[int, list[dict[str, Any]]]:
    """Return the receipt rows of each ledger transaction, in the order of the receipt.

    ``state`` is what the points were when they were posted; ``available_at`` says since when
    pending ones are not.
    """
    awards = (
        Award.objects.filter(transaction_id__in=list(transaction_ids))
        .select_related("rule_version__rule__campaign", "transaction")
        .order_by("position", "pk")
    )
    receipts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for award in awards:
        rule = award.rule_version.rule
        receipts[award.transaction_id or 0].append(
            {
                "rule": {
                    "code": rule.code,
                    "version": award.rule_version.version,
                    "name": localized(award.rule_version.definition.get("name"), locale)
                    or rule.code,
                },
                "campaign": rule.campaign.code if rule.campaign else None,
                "line_id": award.line_id or None,
                "points": award.points,
                "state": _state(award),
                "taken_back": award.taken_back,
                "requested": award.requested,
                "capped_by": award.capped_by or None,
                "available_at": award.available_at,
                "expires_at": award.expires_at,
                "text": award.text,
            }
        )
    return dict(receipts)


def _state(award: Award) -> str:
    posted = award.transaction
    # Without a date they wait for something of which nobody knows when it comes.
    is_pending = posted is not None and (
        award.available_at is None or award.available_at > posted.recorded_at
    )
    return "pending" if is_pending else "available"
