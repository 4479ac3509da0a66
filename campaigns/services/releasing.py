"""Points of a purchase that wait for an event about it, such as its delivery.

The event names the purchase in its payload: ``{"purchase": {"source": ..., "external_id": ...}}``.
It may come before the purchase does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from campaigns.models import Event
from members.models import Purchase
from members.services.waiting import Origin, release_of


def release_by_event(
    *,
    kind: str,
    payload: Mapping[str, Any],
    member_id: int,
    occurred_at: datetime,
    recorded_at: datetime,
    actor: str,
) -> int:
    """Make available what waits for an event of this kind about the purchase that it names.

    The member is locked and settled. Returns how many points; none where the event names no
    purchase, or one that is not known yet.
    """
    named = payload.get("purchase")
    if not isinstance(named, Mapping):
        return 0
    purchase = Purchase.objects.filter(
        source=str(named.get("source")), external_id=str(named.get("external_id"))
    ).first()
    if purchase is None:
        return 0
    return release_of(
        origin=Origin(source="purchase", external_ref=str(purchase.public_id)),
        waits_for=f"event:{kind}",
        member_id=member_id,
        # What was delivered before it was bought was delivered when it was bought.
        at=min(max(occurred_at, purchase.occurred_at), recorded_at),
        recorded_at=recorded_at,
        actor=actor,
    )


def release_known(*, waiting: Iterable[tuple[str, str]], recorded_at: datetime) -> None:
    """Make available what purchases just gave, where the event that it waits for came before.

    ``waiting`` has the public id of each purchase and the kind of event.
    """
    for public_id, kind in waiting:
        purchase = Purchase.objects.get(public_id=public_id)
        events = Event.objects.filter(
            member_id=purchase.member_id or 0,
            type=kind,
            payload__purchase__source=purchase.source,
            payload__purchase__external_id=purchase.external_id,
        )
        for event in events.order_by("occurred_at", "pk")[:1]:
            release_by_event(
                kind=kind,
                payload=event.payload,
                member_id=event.member_id,
                occurred_at=event.occurred_at,
                recorded_at=recorded_at,
                actor="intake",
            )
