"""Members are told what the outbox holds: each thing once, in their language, sooner or later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.test import override_settings

from members.models import Identifier, Member, Message, OutboxEvent, PointCurrency, Program, Tier
from members.services import delivery, outbox, telling
from members.services.telling import Wording

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POINTS = {"en": {"one": "bean", "other": "beans"}, "ru": {"one": "зерно", "other": "зёрен"}}
WORDING = Wording("Café", "en", {"beans": POINTS}, {"gold": {"en": "Gold"}})


class BrokenServer:
    """A mail server that answers every message with an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __enter__(self) -> BrokenServer:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def send_messages(self, _messages: list[Any]) -> int:
        """Refuse."""
        raise self.error


@pytest.fixture
def program() -> Program:
    """Make a program with one currency."""
    program = Program.objects.create(code="cafe", name="Café", currency="EUR", timezone="UTC")
    PointCurrency.objects.create(program=program, code="beans", kind="redeemable", names=POINTS)
    Tier.objects.create(program=program, code="gold", name={"en": "Gold"}, threshold=100)
    return program


@pytest.fixture
def member(program: Program) -> Member:
    """Enroll a member with a verified address."""
    member = Member.objects.create(
        program=program, number="1", enrolled_at=NOON, recorded_at=NOON, changed_at=NOON
    )
    Identifier.objects.create(
        program=program,
        member=member,
        kind="email",
        value="ann@example.com",
        verified_at=NOON,
        added_at=NOON,
    )
    return member


def _tell(member: Member, kind: outbox.Kind, **facts: Any) -> OutboxEvent:
    outbox.record(
        program_id=member.program_id, kind=kind, member_id=member.pk, payload=facts, moment=NOON
    )
    return OutboxEvent.objects.latest("pk")


def test_event_stands_in_the_inbox_once_though_it_is_told_twice(member: Member) -> None:
    event = _tell(member, "points_earned", points=1200, currency="beans", is_pending=False)

    assert delivery.deliver_due(moment=NOON) == 1
    OutboxEvent.objects.update(delivered_at=None, retry_at=None)
    assert delivery.deliver_due(moment=NOON + MINUTE) == 1

    message = Message.objects.get()
    assert message.title == "You earned 1,200 beans"
    assert message.sent_at == NOON
    assert message.dedupe_key == f"event:{event.public_id}"
    assert mail.outbox == []
    assert delivery.deliver_due(moment=NOON + MINUTE) == 0


def test_important_event_is_mailed_to_the_verified_address(member: Member) -> None:
    event = _tell(member, "tier_changed", before="base", after="gold")

    delivery.deliver_due(moment=NOON)

    sent = mail.outbox[0]
    assert (sent.to, sent.subject) == (["ann@example.com"], "Your tier is now Gold")
    assert sent.extra_headers["Message-ID"] == f"<{event.public_id}@localhost>"
    assert OutboxEvent.objects.get().delivered_at == NOON


def test_unverified_address_is_not_written_to(member: Member) -> None:
    member.identifiers.update(verified_at=None)
    _tell(member, "member_enrolled")

    delivery.deliver_due(moment=NOON)

    assert mail.outbox == []
    assert Message.objects.get().title == "Welcome to Café"


def test_erased_member_is_told_nothing(member: Member) -> None:
    Member.objects.update(status="erased", erased_at=NOON)
    _tell(member, "member_enrolled")

    delivery.deliver_due(moment=NOON)

    assert not Message.objects.exists()
    assert OutboxEvent.objects.get().delivered_at == NOON


def test_claimed_event_is_left_alone_until_its_claim_runs_out(member: Member) -> None:
    _tell(member, "points_earned", points=1)
    OutboxEvent.objects.update(attempts=1, retry_at=NOON + delivery.CLAIM)

    assert delivery.deliver_due(moment=NOON + delivery.CLAIM - MINUTE) == 0
    assert delivery.deliver_due(moment=NOON + delivery.CLAIM) == 1
    assert OutboxEvent.objects.get().attempts == 2


def test_broken_mail_server_is_tried_again_with_longer_pauses(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tell(member, "member_enrolled")
    broken = BrokenServer(SMTPServerDisconnected("gone"))
    pauses = []

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "get_connection", lambda: broken)
        moment = NOON
        for _attempt in range(3):
            delivery.deliver_due(moment=moment)
            event = OutboxEvent.objects.get()
            assert event.retry_at is not None
            pauses.append((event.retry_at - moment) / MINUTE)
            moment = event.retry_at
    delivery.deliver_due(moment=moment)

    assert pauses == [2, 4, 8]
    assert event.failure == "SMTPServerDisconnected"
    assert OutboxEvent.objects.get().delivered_at == moment
    assert (len(mail.outbox), Message.objects.count()) == (1, 1)


def test_event_is_left_to_the_inbox_after_the_last_attempt(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tell(member, "member_enrolled")
    OutboxEvent.objects.update(attempts=delivery.ATTEMPTS_MAX - 1)
    monkeypatch.setattr(delivery, "get_connection", lambda: BrokenServer(OSError()))

    delivery.deliver_due(moment=NOON)

    event = OutboxEvent.objects.get()
    assert (event.delivered_at, event.failure) == (NOON, "OSError")
    assert Message.objects.count() == 1


def test_refused_recipient_is_not_tried_again(
    member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tell(member, "member_enrolled")
    refusal = SMTPRecipientsRefused({"ann@example.com": (550, b"no")})
    monkeypatch.setattr(delivery, "get_connection", lambda: BrokenServer(refusal))

    delivery.deliver_due(moment=NOON)

    event = OutboxEvent.objects.get()
    assert (event.delivered_at, event.failure) == (NOON, "SMTPRecipientsRefused")


def test_event_with_wrong_facts_does_not_keep_the_others_waiting(member: Member) -> None:
    wrong = _tell(member, "points_earned", points="many")
    right = _tell(member, "points_earned", points=1)

    delivery.deliver_due(moment=NOON)

    wrong.refresh_from_db()
    right.refresh_from_db()
    assert wrong.delivered_at is None
    assert wrong.failure == "cannot be told: ValueError"
    assert wrong.retry_at == NOON + 2 * MINUTE
    assert right.delivered_at == NOON


@pytest.mark.parametrize(
    ("_case", "kind", "facts", "title"),
    [
        ("one point", "points_earned", {"points": 1, "currency": "beans"}, "You earned 1 bean"),
        ("expired", "points_expired", {"points": 5}, "5 beans expired"),
        ("soon", "points_expiring", {"points": 5}, "5 beans will expire soon"),
        ("tier without a name", "tier_changed", {"after": "iron"}, "Your tier is now iron"),
        ("reward by name", "redemption_made", {"reward": {"en": "Tea"}}, "You redeemed: Tea"),
        (
            "reward as text",
            "redemption_cancelled",
            {"reward": "Tea"},
            "A redemption was cancelled: Tea",
        ),
        ("code", "voucher_used", {"reward": "Tea"}, "Your code was used: Tea"),
        ("return", "return_applied", {"points": 3}, "Your return was applied"),
    ],
)
def test_text_names_what_happened(_case: str, kind: str, facts: dict[str, Any], title: str) -> None:
    text = telling.text_of(kind, facts, wording=WORDING, language="en")

    assert text is not None
    assert text.title == title


def test_every_kind_of_event_has_words() -> None:
    for kind in outbox.KINDS:
        assert telling.text_of(kind, {}, wording=WORDING, language="en") is not None


def test_unknown_kind_says_nothing() -> None:
    assert telling.text_of("weather", {}, wording=WORDING, language="en") is None


@pytest.mark.parametrize(
    ("locale", "language"),
    [("", "en"), ("ru-RU", "ru"), ("zh-Hans-CN", "zh-hans"), ("fr", "en")],
)
def test_language_is_the_members_where_the_site_speaks_it(locale: str, language: str) -> None:
    offered = [("en", "English"), ("ru", "Russian"), ("zh-hans", "Chinese")]
    member = Member(public_id=uuid4(), locale=locale)

    with override_settings(LANGUAGES=offered):
        assert telling.language_of(member, WORDING) == language


def test_points_are_named_in_the_form_that_the_language_asks_for() -> None:
    text = telling.text_of("points_earned", {"points": 1}, wording=WORDING, language="ru")

    assert text is not None
    assert "1 зерно" in text.title
