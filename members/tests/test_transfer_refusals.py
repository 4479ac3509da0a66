"""What stands against a transfer, what the sender is told, and what goes back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from members.models import (
    Identifier,
    LedgerTransaction,
    Member,
    PointCurrency,
)
from members.queries.lookup import UnknownMember
from members.services import (
    privacy,
    status,
    transfer_ends,
    transfers,
)
from members.tests.people import (
    DAY,
    NOON,
    owe,
)
from members.tests.test_transfers import (
    ARRIVES,
    THEN,
    allow,
    ana,
    bea,
    held_by,
    proved,
    run_job,
    send,
)
from members.transferring import masked, masked_name

pytestmark = pytest.mark.django_db

__all__ = ["ana", "bea"]


def _off(_ana: Member) -> None:
    PointCurrency.objects.update(transfers={})


def _suspend(ana: Member) -> None:
    status.suspend(member_id=ana.pk, moment=THEN)


def _unverify(ana: Member) -> None:
    Identifier.objects.filter(member=ana).update(verified_at=None)


def _owe(ana: Member) -> None:
    owe(ana, 300)


def _sent_before(ana: Member) -> None:
    allow(daily_cap=150)
    send(ana, points=60)


@pytest.mark.parametrize(
    ("_case", "prepare", "told", "code"),
    [
        ("off", _off, {}, "transfers_off"),
        ("suspended", _suspend, {}, "member_suspended"),
        ("oneself by address", None, {"to": "ana@example.com"}, "to_oneself"),
        ("oneself by card", None, {"to": "6011000001"}, "to_oneself"),
        ("nothing proved", _unverify, {}, "not_verified"),
        ("too new", None, {"moment": NOON + 29 * DAY}, "too_new"),
        ("in debt", _owe, {"points": 10}, "in_debt"),
        ("too few", None, {"points": 9}, "below_minimum"),
        ("too many", None, {"points": 1001}, "above_maximum"),
        ("over the cap", _sent_before, {"points": 91}, "daily_cap"),
        ("more than there are", None, {"points": 201}, "insufficient_points"),
    ],
)
def test_what_stands_against_is_said_and_nothing_moves(
    _case: str, prepare: Any, told: Mapping[str, Any], code: str, ana: Member, bea: Member
) -> None:
    if prepare is not None:
        prepare(ana)
    before = LedgerTransaction.objects.count()

    with pytest.raises(transfers.TransferRefused) as refused:
        send(ana, **told)

    assert refused.value.figures["reasons"][0]["code"] == code
    assert refused.value.figures["reasons"][0]["text"]
    assert LedgerTransaction.objects.count() == before


def test_the_cap_counts_the_days_of_the_programs_calendar(ana: Member, bea: Member) -> None:
    ana.program.timezone = "Pacific/Auckland"
    ana.program.save()
    allow(daily_cap=100)
    # Once its daylight time is over, midnight in Auckland is noon in UTC.
    send(ana, points=100, moment=THEN - timedelta(minutes=30))

    with pytest.raises(transfers.TransferRefused):
        send(ana, points=10, moment=THEN - timedelta(minutes=1))
    row = send(ana, points=10, moment=THEN + timedelta(minutes=1))

    assert row.state == "requested"


def test_a_cancelled_transfer_gives_the_days_cap_back(ana: Member, bea: Member) -> None:
    allow(daily_cap=100)
    row = send(ana)
    transfer_ends.cancel(public_id=row.public_id, actor="test", moment=THEN, sender_id=ana.pk)

    assert send(ana).state == "requested"


def _erase(bea: Member) -> None:
    privacy.erase(member=bea, confirm=bea.number, actor="test", moment=THEN)


@pytest.mark.parametrize(
    ("_case", "end", "reason"),
    [
        ("suspended", lambda bea: status.suspend(member_id=bea.pk, moment=THEN), None),
        ("erased", _erase, None),
        ("nothing proved", _unverify, "recipient_not_verified"),
    ],
)
def test_what_the_recipient_cannot_have_goes_back(
    _case: str, end: Any, reason: str | None, ana: Member, bea: Member
) -> None:
    row = send(ana, to="6011000002")
    end(bea)

    run_job(ARRIVES)

    row.refresh_from_db()
    assert (row.state, row.reason) == ("refused", reason or "recipient_not_active")
    assert held_by(ana) == (200, 0, 0)
    assert proved()


def test_a_suspended_sender_sends_nothing(ana: Member, bea: Member) -> None:
    """Whoever took an account over is stopped by suspending it."""
    row = send(ana)
    _suspend(ana)

    run_job(ARRIVES)

    row.refresh_from_db()
    assert (row.state, row.reason) == ("refused", "sender_not_active")
    assert (held_by(ana)[0], held_by(bea)[0]) == (200, 0)


def test_an_address_answers_the_same_whether_somebody_is_known_by_it(
    ana: Member, bea: Member
) -> None:
    known, unknown = send(ana, to="bea@example.com"), send(ana, to="zoe@example.com", points=50)

    assert known.recipient_hint == "b\N{HORIZONTAL ELLIPSIS}@example.com"
    assert unknown.recipient_hint == "z\N{HORIZONTAL ELLIPSIS}@example.com"
    assert (known.state, known.completes_at) == (unknown.state, unknown.completes_at)
    run_job(ARRIVES)
    unknown.refresh_from_db()
    assert (unknown.state, unknown.reason) == ("refused", "recipient_unknown")
    assert held_by(ana) == (100, 0, 0)


def test_a_card_shows_a_masked_name_and_an_unknown_one_is_refused(ana: Member, bea: Member) -> None:
    found = transfers.target_of(program_id=ana.program_id, text="6011000002")

    assert found.hint.startswith("B\N{HORIZONTAL ELLIPSIS} C\N{HORIZONTAL ELLIPSIS}")
    with pytest.raises(UnknownMember):
        transfers.target_of(program_id=ana.program_id, text="6011999999")


@pytest.mark.parametrize(
    ("_case", "kind", "value", "expected"),
    [
        ("address", "email", "ana@example.com", "a\N{HORIZONTAL ELLIPSIS}@example.com"),
        ("phone", "phone", "+351912345678", "\N{HORIZONTAL ELLIPSIS}5678"),
        ("short card", "card", "123456", "\N{HORIZONTAL ELLIPSIS}"),
    ],
)
def test_hints_hide_most(_case: str, kind: str, value: str, expected: str) -> None:
    assert masked(kind, value) == expected
    assert masked_name("", "") == ""
