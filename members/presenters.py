"""The bodies of answers about members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from loyalty_site.lib import money
from loyalty_site.lib.languages import pick
from members import cards
from members.models import Member, Message, Transfer
from members.queries.balances import Balance
from members.queries.consents import Consent
from members.queries.people import MemberView
from members.queries.pools import PoolView
from members.queries.proofs import Proof
from members.queries.statement import StatementRow
from members.queries.tiers import TierReading
from members.services.checkpoints import signed


def member_body(view: MemberView, languages: Sequence[str]) -> dict[str, Any]:
    """Return a member; what is not known is null."""
    return {
        "id": view.public_id,
        "number": view.number,
        "status": view.status,
        "first_name": view.first_name or None,
        "last_name": view.last_name or None,
        "birth_date": view.birth_date,
        "locale": view.locale or None,
        "timezone": view.timezone or None,
        "identifiers": [
            {
                "kind": identifier.kind,
                "value": identifier.value,
                "verified_at": identifier.verified_at,
                "primary": identifier.is_primary,
            }
            for identifier in view.identifiers
        ],
        "tier": view.tier_code and tier_label(view.tier_code, view.tier_name, languages),
        "enrolled_at": view.enrolled_at,
        "source_channel": view.source_channel or None,
        "referral_code": view.referral_code or None,
        "attributes": dict(view.attributes),
    }


def balance_body(balance: Balance) -> dict[str, Any]:
    """Return what a member holds, with its worth in money."""
    digits = money.minor_digits(balance.money)
    return {
        "member": balance.member,
        "currency": balance.currency,
        "available": balance.available,
        "pending": balance.pending,
        "held": balance.held,
        "debt": balance.debt,
        "lifetime_earned": balance.lifetime_earned,
        "expiring": [
            {"points": lot.points, "expires_at": lot.expires_at} for lot in balance.expiring
        ],
        "value": {
            "amount": money.wire(balance.available * balance.worth, digits),
            "currency": balance.money,
        },
        "as_of": balance.as_of,
    }


def tier_body(reading: TierReading | None, languages: Sequence[str]) -> dict[str, Any]:
    """Return where a member stands; all null where the program has no tiers."""
    if reading is None:
        names = ("tier", "since", "valid_until", "qualifying", "next", "keep")
        return dict.fromkeys(names)
    figures = reading.progress
    above, keep = reading.next, reading.keep
    return {
        "tier": _named(reading, reading.tier, languages),
        "since": reading.since,
        "valid_until": reading.valid_until,
        "qualifying": {
            "metric": reading.metric,
            "value": figures.value,
            "window": {"from": figures.window_from, "to": figures.window_to},
        },
        "next": above
        and {
            **_named(reading, above.tier, languages),
            "threshold": above.threshold,
            "missing": above.missing,
        },
        "keep": keep and {"threshold": keep.threshold, "missing": keep.missing, "by": keep.by},
    }


def tier_label(code: str, name: Mapping[str, str], languages: Sequence[str]) -> dict[str, str]:
    """Return a tier by its code, with its name in the best language."""
    return {"code": code, "name": pick(name, languages, otherwise=code)}


def _named(reading: TierReading, code: str, languages: Sequence[str]) -> dict[str, str]:
    return tier_label(code, reading.names.get(code, {}), languages)


def entry_body(
    row: StatementRow,
    *,
    description: str,
    source: Mapping[str, Any],
    receipt: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Return one line of a statement."""
    after = row.balance_after
    return {
        "id": row.public_id,
        "type": row.type,
        "points": row.points,
        "occurred_at": row.occurred_at,
        "recorded_at": row.recorded_at,
        "description": description,
        "source": source,
        "receipt": receipt,
        "balance_after": {
            "available": after.available,
            "pending": after.pending,
            "held": after.held,
            "debt": after.debt,
        },
    }


def card_body(member: Member, moment: datetime) -> dict[str, Any]:
    """Return what the app shows as the card at a moment."""
    return {
        "number": member.number,
        "qr": cards.code(member.card_secret, member.number, moment),
        "valid_until": cards.valid_until(moment),
    }


def consent_body(consent: Consent) -> dict[str, Any]:
    """Return a member's latest answer to a purpose by a channel."""
    return {
        "purpose": consent.purpose,
        "channel": consent.channel,
        "granted": consent.granted,
        "at": consent.at,
        "text_version": consent.text_version,
    }


def message_body(message: Message) -> dict[str, Any]:
    """Return a message of the inbox."""
    return {
        "id": message.public_id,
        "title": message.title,
        "body": message.body,
        "sent_at": message.sent_at,
        "read_at": message.read_at,
    }


def proof_body(proof: Proof) -> dict[str, Any]:
    """Return everything that is needed to check an entry without the site (docs/proof.md)."""
    return {
        "sequence": proof.sequence,
        "leaf": dict(proof.leaf),
        "path": [step.hex() for step in proof.path],
        **signed(proof.checkpoint).as_json(),
    }


def transfer_body(row: Transfer, *, member_id: int, moment: datetime) -> dict[str, Any]:
    """Return a transfer as the sender or the recipient sees it at the moment.

    Why one was refused is not said: it would tell who is a member.
    """
    is_sent = row.sender_id == member_id
    is_open = row.state == Transfer.State.REQUESTED
    return {
        "id": str(row.public_id),
        "direction": "sent" if is_sent else "received",
        "state": row.state,
        "to": row.recipient_hint or None if is_sent else None,
        "points": row.points,
        "fee": row.fee if is_sent else 0,
        "currency": row.currency.code,
        "requested_at": row.requested_at,
        "completes_at": row.completes_at,
        "can_cancel": is_sent
        and is_open
        and (row.paused_at is not None or moment < row.completes_at),
    }


def pool_body(view: PoolView) -> dict[str, Any]:
    """Return a pool as somebody in it sees it; the others are known by first name only."""
    return {
        "id": str(view.pool.public_id),
        "kind": view.pool.kind,
        "name": view.pool.name,
        "currency": view.pool.currency.code,
        "founded_at": view.pool.founded_at,
        "available": view.available,
        "held": view.held,
        "cap": view.terms.cap if view.terms else None,
        "role": view.mine.role,
        "share_pct": view.mine.share_pct,
        "may_redeem": view.may_redeem,
        "own_points": view.points_of_mine,
        "members": [
            {
                "id": str(each.membership.member.public_id),
                "name": each.name,
                "role": each.membership.role,
                "points": each.points,
                "joined_at": each.membership.joined_at,
                "you": each.membership.pk == view.mine.pk,
            }
            for each in view.companions
        ],
    }
