"""Points that members send to each other: held, cancelled, arrived, refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from members.models import (
    Identifier,
    LedgerAccount,
    LedgerTransaction,
    Member,
    Message,
    OutboxEvent,
    PointCurrency,
    PointLot,
    Transfer,
)
from members.queries.balances import balance_as_of, balance_now
from members.services import (
    delivery,
    jobs,
    ledger,
    periodic,
    privacy,
    reconciliation,
    transfer_ends,
    transfers,
)
from members.services.transfer_ends import TransferEnded
from members.tests.people import (
    DAY,
    NOON,
    account,
    counter,
    earn,
    make_member,
    make_program,
    owe,
    post,
    settle,
)
from members.transferring import Fee

pytestmark = pytest.mark.django_db

TERMS: dict[str, Any] = {
    "minimum": 10,
    "maximum": 1000,
    "daily_cap": 1500,
    "fee": {"percent": "0", "fixed": 0, "rounding": "up"},
    "tenure_days": 30,
    "require_verified": True,
    "cooling_hours": 24,
    "confirm_above": 500,
}
# Long enough after enrollment.
THEN = NOON + 40 * DAY
ARRIVES = THEN + DAY


def allow(**changes: Any) -> None:
    """Let members send points on these terms."""
    PointCurrency.objects.filter(code="points").update(transfers=TERMS | changes)


def verify(member: Member) -> None:
    Identifier.objects.filter(member=member).update(verified_at=NOON)


@pytest.fixture
def ana(db: None) -> Member:
    """Return a member with 200 points, of whom 120 end in 90 days."""
    make_program()
    allow()
    member = make_member(
        identifiers=[("email", "ana@example.com"), ("card", "6011000001")],
        first_name="Ana",
        last_name="Duarte",
    )
    verify(member)
    earn(member, 80)
    earn(member, 120, expires_at=NOON + 90 * DAY)
    return member


@pytest.fixture
def bea(ana: Member) -> Member:
    """Return a member without points."""
    member = make_member(
        identifiers=[("email", "bea@example.com"), ("card", "6011000002")],
        first_name="Bea",
        last_name="Costa",
    )
    verify(member)
    return member


def send(sender: Member, to: str = "bea@example.com", points: int = 100, **told: Any) -> Transfer:
    told.setdefault("moment", THEN)
    return transfers.request(sender=sender, to=to, points=points, actor="test", **told)


def run_job(moment: datetime) -> int:
    return jobs.run(periodic.JOBS["complete_transfers"], moment=moment).done


def held_by(member: Member, moment: datetime = ARRIVES) -> tuple[int, int, int]:
    found = balance_now(member=member.public_id, moment=moment)
    assert found is not None
    return found.available, found.held, found.debt


def proved() -> bool:
    """Return whether the books themselves add up; the debts made here have no return behind."""
    own = [check for check in reconciliation.checks() if check.name[0].isdigit()]
    return reconciliation.verify(own).is_proved


def counted(kind: str) -> int:
    found = LedgerAccount.objects.get(pk=counter(kind))
    return sum(entry.points for entry in found.entries.all())


def test_points_are_held_and_arrive_after_the_cooling_with_their_end(
    ana: Member, bea: Member
) -> None:
    row = send(ana)
    assert (held_by(ana, THEN), held_by(bea, THEN)) == ((100, 100, 0), (0, 0, 0))
    assert run_job(ARRIVES - timedelta(seconds=1)) == 0

    assert run_job(ARRIVES) == 1

    row.refresh_from_db()
    assert row.state == "completed"
    assert (held_by(ana), held_by(bea)) == ((100, 0, 0), (100, 0, 0))
    # The points that end first are sent first, and keep their end.
    arrived = PointLot.objects.get(transaction=row.arrival_id)
    assert (arrived.points, arrived.expires_at) == (100, NOON + 90 * DAY)
    assert arrived.moved_from is not None
    assert arrived.moved_from.account.member == ana
    assert proved()


def test_a_transfer_that_is_completed_late_is_dated_at_its_instant(
    ana: Member, bea: Member
) -> None:
    """The job may stand still: the end state is the same, and so is every balance of the past."""
    row = send(ana)

    run_job(ARRIVES + 5 * DAY)
    run_job(ARRIVES + 5 * DAY)

    dates = LedgerTransaction.objects.filter(source="transfer", type__startswith="transfer")
    assert set(dates.values_list("occurred_at", flat=True)) == {ARRIVES}
    for member, before, after in [(ana, 100, 100), (bea, 0, 100)]:
        for at, expected in [(ARRIVES - timedelta(seconds=1), before), (ARRIVES, after)]:
            found = balance_as_of(member=member.public_id, as_of=at, known_at=ARRIVES + 6 * DAY)
            assert found is not None
            assert found.available == expected
    row.refresh_from_db()
    assert row.state == "completed"


def test_the_sender_cancels_within_the_cooling_and_the_lots_are_whole_again(
    ana: Member, bea: Member
) -> None:
    row = send(ana)

    transfer_ends.cancel(
        public_id=row.public_id, actor="test", moment=THEN + timedelta(hours=3), sender_id=ana.pk
    )

    assert run_job(ARRIVES) == 0
    assert (held_by(ana), held_by(bea)) == ((200, 0, 0), (0, 0, 0))
    assert list(PointLot.objects.order_by("pk").values_list("remaining", flat=True)) == [80, 120]
    assert proved()


def test_a_transfer_whose_time_has_come_cannot_be_cancelled_though_the_job_is_late(
    ana: Member, bea: Member
) -> None:
    row = send(ana)

    with pytest.raises(TransferEnded):
        transfer_ends.cancel(
            public_id=row.public_id, actor="test", moment=ARRIVES, sender_id=ana.pk
        )
    assert held_by(ana) == (100, 100, 0)


def test_the_fee_is_paid_on_top_from_the_points_that_end_first(ana: Member, bea: Member) -> None:
    allow(fee={"percent": "2.5", "fixed": 1, "rounding": "up"})

    row = send(ana, points=150)
    run_job(ARRIVES)

    # 2.5 percent of 150 are 3.75, rounded up, and one more.
    assert row.fee == 5
    assert (held_by(ana), held_by(bea)) == ((45, 0, 0), (150, 0, 0))
    lots = PointLot.objects.filter(transaction__type="transfer_in").order_by("pk")
    assert list(lots.values_list("points", "expires_at")) == [
        (115, NOON + 90 * DAY),
        (35, None),
    ]
    assert (counted("fees"), counted("moved")) == (5, 0)
    assert proved()


@pytest.mark.parametrize(
    ("_case", "fee", "points", "expected"),
    [
        ("none", Fee(), 100, 0),
        ("up", Fee(Decimal("2.5")), 101, 3),
        ("down", Fee(Decimal("2.5"), rounding="down"), 101, 2),
        ("half up, below", Fee(Decimal("2.5"), rounding="half_up"), 99, 2),
        ("half up, at the half", Fee(Decimal("2.5"), rounding="half_up"), 100, 3),
        ("whole stays whole", Fee(Decimal(10)), 100, 10),
        ("fixed", Fee(fixed=7), 100, 7),
        ("both", Fee(Decimal(10), 7), 100, 17),
        ("a percentage without an exact double", Fee(Decimal("0.1")), 1000, 1),
    ],
)
def test_fees_are_exact(_case: str, fee: Fee, points: int, expected: int) -> None:
    assert fee.of(points) == expected


def test_what_arrives_pays_the_debt_of_the_recipient_first(ana: Member, bea: Member) -> None:
    owe(bea, 30)

    send(ana)
    run_job(ARRIVES)

    assert held_by(bea) == (70, 0, 0)
    arrived = PointLot.objects.get(transaction__type="transfer_in")
    assert (arrived.points, arrived.remaining) == (100, 70)
    assert proved()


def test_a_debt_made_after_the_due_instant_is_paid_when_it_was_made(
    ana: Member, bea: Member
) -> None:
    send(ana)
    owe(bea, 30, at=ARRIVES + 2 * DAY)

    run_job(ARRIVES + 3 * DAY)

    assert held_by(bea, ARRIVES + 3 * DAY) == (70, 0, 0)
    arrived = LedgerTransaction.objects.get(type="transfer_in")
    assert arrived.occurred_at == ARRIVES + 2 * DAY
    assert proved()


def test_points_received_do_not_count_for_status(ana: Member, bea: Member) -> None:
    send(ana)
    run_job(ARRIVES)

    status_points = LedgerTransaction.objects.filter(member=bea, currency__code="status")
    assert status_points.exists() is False


def test_points_that_end_before_they_arrive_stay_with_the_sender(ana: Member, bea: Member) -> None:
    late = NOON + 90 * DAY - timedelta(hours=3)

    with pytest.raises(transfers.TransferRefused) as refused:
        send(ana, points=100, moment=late)
    row = send(ana, points=80, moment=late)

    assert [reason["code"] for reason in refused.value.figures["reasons"]] == [
        "insufficient_points"
    ]
    run_job(row.completes_at)
    assert held_by(bea, row.completes_at) == (80, 0, 0)
    assert held_by(ana, row.completes_at) == (0, 0, 0)
    assert PointLot.objects.get(transaction__type="transfer_in").expires_at is None


def test_staff_stop_a_transfer_and_let_it_go_on(ana: Member, bea: Member) -> None:
    row = send(ana)
    transfer_ends.pause(public_id=row.public_id, actor="staff:1", moment=THEN)
    assert run_job(ARRIVES + DAY) == 0

    transfer_ends.resume(public_id=row.public_id, actor="staff:1", moment=ARRIVES + 2 * DAY)
    run_job(ARRIVES + 2 * DAY)

    row.refresh_from_db()
    assert (row.state, row.completes_at) == ("completed", ARRIVES + 2 * DAY)
    assert proved()


def test_points_that_ended_while_staff_held_them_go_back_with_grace(
    ana: Member, bea: Member
) -> None:
    row = send(ana, moment=NOON + 80 * DAY)
    transfer_ends.pause(public_id=row.public_id, actor="staff:1", moment=NOON + 80 * DAY)
    resumed = NOON + 95 * DAY

    transfer_ends.resume(public_id=row.public_id, actor="staff:1", moment=resumed)
    run_job(resumed)

    row.refresh_from_db()
    assert (row.state, row.reason) == ("refused", "points_ended")
    # 20 of the 120 that ended on day 90 were not on their way, and have expired.
    assert held_by(ana, resumed) == (180, 0, 0)
    assert proved()


def test_what_no_job_completes_is_given_up_and_goes_back(ana: Member, bea: Member) -> None:
    row = send(ana)
    lapsed = ARRIVES + transfers.GIVE_UP
    assert settle(ana, lapsed) > 0
    available = held_by(ana, lapsed)

    run_job(lapsed)

    row.refresh_from_db()
    assert (row.state, row.reason) == ("refused", "hold_lapsed")
    assert held_by(ana, lapsed) == available
    assert held_by(bea, lapsed) == (0, 0, 0)
    assert proved()


def test_erasing_the_sender_takes_back_what_is_on_its_way(ana: Member, bea: Member) -> None:
    row = send(ana, to="6011000002")

    forfeited = privacy.erase(member=ana, confirm=ana.number, actor="test", moment=THEN)

    row.refresh_from_db()
    assert (row.state, row.recipient_hint, forfeited["points"]) == ("cancelled", "", 200)
    run_job(ARRIVES)
    assert held_by(bea) == (0, 0, 0)
    assert proved()


def test_both_are_told_and_the_sender_at_every_address_that_was_proved(
    ana: Member, bea: Member
) -> None:
    Identifier.objects.create(
        program=ana.program,
        member=ana,
        kind="email",
        value="old@example.com",
        verified_at=NOON,
        added_at=NOON,
    )
    mail.outbox = []

    send(ana)
    run_job(ARRIVES)
    delivery.deliver_due(moment=ARRIVES)

    warning = next(each for each in mail.outbox if "sending 100 points" in each.subject)
    assert set(warning.recipients()) == {"ana@example.com", "old@example.com"}
    assert len(warning.to) == 1
    assert list(Message.objects.filter(member=bea).values_list("title", flat=True))[-1:] == [
        "You received 100 points"
    ]
    told = OutboxEvent.objects.filter(kind__startswith="transfer").order_by("pk")
    assert list(told.values_list("kind", "member")) == [
        ("transfer_requested", ana.pk),
        ("transfer_received", bea.pk),
    ]


def test_renewed_points_arrive_with_the_end_that_they_were_renewed_to(
    ana: Member, bea: Member
) -> None:
    lot = {"h": 0, "account": account(bea), "points": 50, "earned_at": THEN - DAY}
    post(
        bea,
        {"type": "earn", "source": "grant", "occurred_at": THEN - DAY},
        [(counter("issued"), -50), (account(bea), 50)],
        lots=[
            {
                **lot,
                "available_at": THEN - DAY,
                # Not renewed, they would end before they arrive.
                "expires_at": THEN + timedelta(hours=6),
                "renew_months": 6,
            }
        ],
        moment=THEN - DAY,
    )
    points = PointCurrency.objects.get(code="points")
    points.expiry = {"renewed_by": ["purchase"]}
    ledger.renew(member_id=bea.pk, currency=points, act="purchase", moment=THEN)

    row = send(bea, to="ana@example.com", points=50)
    run_job(ARRIVES)

    row.refresh_from_db()
    assert row.state == "completed"
    arrived = PointLot.objects.get(transaction=row.arrival)
    assert (arrived.expires_at, arrived.renew_months) == (datetime(2026, 10, 12, tzinfo=UTC), 6)
    assert proved()
