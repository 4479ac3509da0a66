"""Tell members what the outbox holds: in the inbox of the app, and by e-mail.

Everything here is about the member's own account, so that no consent to marketing is asked.
An event is claimed for a while by a conditional update, told, and then marked; a worker that
dies in between leaves a claim that runs out. The inbox says each event once; an e-mail may come
twice, with the same Message-ID.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from members.models import Identifier, Member, Message, OutboxEvent, PoolMembership, Program
from members.services import notices, telling

# The others stand in the inbox only: an e-mail for every purchase would be a nuisance.
MAILED = frozenset(
    {
        *("member_enrolled", "points_expiring", "tier_changed"),
        *("redemption_made", "redemption_cancelled", "transfer_requested"),
    }
)
# What an intruder would do: told to every address that was proved, also one replaced since.
WARNED = frozenset({"transfer_requested"})
CLAIM = timedelta(minutes=10)
BACKOFF_MAX = timedelta(hours=6)
# With the pauses above, about four days.
ATTEMPTS_MAX = 24

_log = logging.getLogger(__name__)

# What a claim holds is out of sight of other workers until it runs out; SKIP LOCKED keeps two
# claims from waiting for each other.
_CLAIM = """
UPDATE members_outboxevent SET attempts = least(attempts + 1, 1000), retry_at = %s
WHERE id IN (
  SELECT id FROM members_outboxevent
  WHERE delivered_at IS NULL AND (retry_at IS NULL OR retry_at <= %s)
  ORDER BY created_at, id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id
"""


def deliver_due(*, moment: datetime, limit: int = 100) -> int:
    """Claim events that wait at ``moment`` and tell them; return how many were claimed."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [moment + CLAIM, moment, limit])
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return 0
    events = (
        OutboxEvent.objects.filter(pk__in=ids)
        .select_related("program", "member__user", "member__merged_into__user")
        .order_by("created_at", "pk")
    )
    _send(_tell_in_app(list(events), moment), moment)
    return len(ids)


def _tell_in_app(events: Sequence[OutboxEvent], moment: datetime) -> dict[int, EmailMessage]:
    """Write the messages and mark what is told by them; return the e-mails that are left."""
    for event in events:
        if event.member is not None and event.member.merged_into is not None:
            # The person reads what the row that went into theirs is told.
            event.member = event.member.merged_into
    of_pools = _speak_to_owners(events)
    addresses = _addresses(event.member for event in events if event.kind in MAILED)
    programs = {event.program for event in events}
    wordings = {program: telling.wording_of(program) for program in programs}
    spoken = _spoken(events, wordings, moment, of_pools)
    messages = [
        Message(
            member=event.member,
            kind=event.kind,
            title=text.title[:200],
            body=text.body,
            dedupe_key=f"event:{event.public_id}",
            sent_at=moment,
        )
        for event, text, _language in spoken
    ]
    mails = {
        event.pk: _mail(event, text, _to(addresses[event.member_id], event.kind), language)
        for event, text, language in spoken
        if event.kind in MAILED and event.member_id in addresses
    }
    told = [event.pk for event in events if event.pk not in mails and not event.failure]
    with transaction.atomic():
        # A repeat meets members_message_once and leaves the first message as it is.
        Message.objects.bulk_create(messages, ignore_conflicts=True)
        _mark_delivered(told, moment)
        _postpone([event for event in events if event.failure], moment)
    return mails


def _speak_to_owners(events: Sequence[OutboxEvent]) -> set[int]:
    """Address what happened to a pool to its owner; return the keys of those events."""
    held = [event for event in events if event.member and event.member.status == "pool"]
    if not held:
        return set()
    owners = {
        each.pool.holder_id: each.member
        for each in PoolMembership.objects.filter(
            pool__holder__in=[event.member_id for event in held], left_at=None, role="owner"
        ).select_related("pool", "member__user")
    }
    for event in held:
        event.member = owners.get(event.member_id or 0)
    return {event.pk for event in held}


def _spoken(
    events: Sequence[OutboxEvent],
    wordings: Mapping[Program, telling.Wording],
    moment: datetime,
    of_pools: Collection[int] = (),
) -> list[tuple[OutboxEvent, telling.Text, str]]:
    """Return the events that there is something to say of, with the text and its language."""
    found = []
    for event in events:
        event.failure = ""
        if event.member is None or event.member.status == Member.Status.ERASED:
            continue
        if event.pk not in of_pools and notices.is_moot(event, moment):
            continue
        wording = wordings[event.program]
        language = telling.language_of(event.member, wording)
        facts = {**event.payload, "in_pool": event.pk in of_pools}
        try:
            text = telling.text_of(event.kind, facts, wording=wording, language=language)
        except (AttributeError, TypeError, ValueError) as error:
            # One event with facts of the wrong form must not keep the others waiting.
            _log.error("outbox event %s cannot be told: %s", event.pk, type(error).__name__)
            event.failure = f"cannot be told: {type(error).__name__}"
            continue
        if text is not None:
            found.append((event, text, language))
    return found


def _addresses(members: Iterable[Member | None]) -> dict[int, list[str]]:
    """Return the addresses that each member has proved, the one to write to first."""
    known = {member.pk: member for member in members if member is not None}
    verified = Identifier.objects.filter(
        member_id__in=known, kind=Identifier.Kind.EMAIL, verified_at__isnull=False
    ).order_by("-is_primary", "-pk")
    found: dict[int, list[str]] = {}
    for pk, member in known.items():
        if member.user:
            found[pk] = [member.user.email]
    for pk, address in verified.values_list("member_id", "value"):
        found.setdefault(pk, []).append(address)
    return {pk: list(dict.fromkeys(addresses)) for pk, addresses in found.items()}


def _to(addresses: Sequence[str], kind: str) -> Sequence[str]:
    return addresses if kind in WARNED else addresses[:1]


def _mail(
    event: OutboxEvent, text: telling.Text, addresses: Sequence[str], language: str
) -> EmailMessage:
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    with override(language):
        link = _("See your account: %(url)s") % {"url": f"{settings.BASE_URL}/home"}
    return EmailMessage(
        subject=" ".join(text.title.split()),
        body=f"{text.body}\n\n{link}\n\n{event.program.name}\n",
        to=list(addresses[:1]),
        # Who reads one mailbox does not learn the others.
        bcc=list(addresses[1:]),
        headers={"Message-ID": f"<{event.public_id}@{host}>", "Auto-Submitted": "auto-generated"},
    )


def _send(mails: Mapping[int, EmailMessage], moment: datetime) -> None:
    """Send over one connection; where it fails, the rest of the chunk waits for another try."""
    if not mails:
        return
    waiting = dict(mails)
    try:
        with get_connection() as server:
            for pk, mail in mails.items():
                _send_one(server, pk, mail, moment)
                del waiting[pk]
    except (SMTPException, OSError) as error:
        _log.warning("%d e-mails could not be sent: %s", len(waiting), type(error).__name__)
        events = list(OutboxEvent.objects.filter(pk__in=waiting).order_by("pk"))
        for event in events:
            event.failure = type(error).__name__
        _postpone(events, moment)


def _send_one(server: Any, pk: int, mail: EmailMessage, moment: datetime) -> None:
    mail.connection = server
    try:
        mail.send()
    except SMTPRecipientsRefused:
        # Repeating would be refused again; the inbox has the message.
        _mark_delivered([pk], moment, failure="SMTPRecipientsRefused")
    else:
        _mark_delivered([pk], moment)


def _mark_delivered(ids: Sequence[int], moment: datetime, failure: str = "") -> None:
    OutboxEvent.objects.filter(pk__in=ids, delivered_at__isnull=True).update(
        delivered_at=moment, retry_at=None, failure=failure
    )


def _postpone(events: Sequence[OutboxEvent], moment: datetime) -> None:
    """Try again after a pause that doubles; after the last try leave it at what was told."""
    for event in events:
        if event.attempts >= ATTEMPTS_MAX:
            event.delivered_at, event.retry_at = moment, None
        else:
            pause = min(timedelta(minutes=2 ** min(event.attempts, 10)), BACKOFF_MAX)
            event.retry_at = moment + pause
        event.save(update_fields=["delivered_at", "retry_at", "failure"])
