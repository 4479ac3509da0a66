"""Points given to a cause, and the bank documents that pay what was given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from members.models import LedgerEntry, LedgerTransaction, Member, User
from members.services import reconciliation
from members.tests.books import Connection
from rewards.models import Donation, Payout, PayoutLine, Redemption, Reward
from rewards.queries import donations as giving
from rewards.services import payouts, redemptions, tenders
from rewards.services.refusals import DonationPaidOut, DonationsAreNotHeld
from rewards.services.tenders import RedemptionNotPaid
from rewards.tests.factories import (
    CALLER,
    NOW,
    balances,
    cancel,
    earn,
    make_member,
    make_program,
    make_reward,
    redeem,
)

TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def member(db: None) -> Member:
    """Return a member with 1,000 points, and the cause of meals at a cent and a half a point."""
    return open_club()


def open_club() -> Member:
    """Return the member of the fixture."""
    member = make_member(make_program())
    earn(member, 1000)
    make_reward(
        member.program,
        "meals",
        kind="donation",
        points_price=33,
        voucher_valid_days=None,
        donation_rate="0.015",
        donation_match_percent="50",
    )
    return member


def clerk() -> User:
    """Return somebody of the staff."""
    return User.objects.create_user("clerk@example.com", "a long enough password", is_staff=True)


def document(amount: str, reference: str = "B-1", **told: object) -> payouts.Document:
    """Return a bank document that pays all that was given to the meals by tomorrow."""
    reward = Reward.objects.get(code="meals")
    return payouts.Document(
        **{  # type: ignore[arg-type]  # what is told stands beside what is not
            **{"reward": reward, "document_date": date(2026, 3, 11), "reference": reference},
            **{"amount": Decimal(amount), "until": TOMORROW, **told},
        }
    )


def broken() -> list[str]:
    """Return the invariants of donations and redemptions that do not hold."""
    names = {"donations_are_paid", "redemptions_are_paid"}
    wanted = [check for check in reconciliation.checks() if check.name in names]
    assert len(wanted) == 2
    return [each.name for each in reconciliation.verify(wanted).findings if each.differences]


def donated_points() -> int:
    """Return what stands on the account of donations."""
    rows = LedgerEntry.objects.filter(account__kind="donated").values_list("points", flat=True)
    return sum(rows)


def test_a_donation_leaves_the_member_for_the_account_of_donations(member: Member) -> None:
    made = redeem(member, "meals", quantity=3)

    gift = Donation.objects.get(redemption=made)
    assert balances(member) == (901, 0, 0, 0)
    assert donated_points() == 99
    assert LedgerTransaction.objects.get(pk=made.debit_id or 0).type == "donate"
    # 99 x 0.015 = 1.485, and half of it 0.7425.
    assert (gift.amount, gift.match_amount) == (Decimal("1.49"), Decimal("0.74"))
    assert broken() == []


@pytest.mark.parametrize(
    ("_case", "currency", "rate", "percent", "amount", "added"),
    [
        ("no rate is the worth of a point", "EUR", None, "0", "0.33", "0"),
        ("a half is rounded up", "EUR", "0.015", "0", "0.5", "0"),
        ("yen have no smaller unit", "JPY", "1.5", "100", "50", "50"),
        ("dinars have three places", "BHD", "0.0015", "0", "0.05", "0"),
    ],
)
def test_amounts_are_rounded_once_in_the_money_of_the_program(
    db: None, _case: str, currency: str, rate: str | None, percent: str, amount: str, added: str
) -> None:
    program = make_program(currency=currency)
    program.currencies.update(value="0.01")
    member = make_member(program)
    earn(member, 100)
    make_reward(
        program,
        "meals",
        kind="donation",
        points_price=33,
        donation_rate=rate,
        donation_match_percent=percent,
    )

    redeem(member, "meals")

    gift = Donation.objects.get()
    assert (gift.amount, gift.match_amount) == (Decimal(amount), Decimal(added))


def test_a_cancelled_donation_gives_the_points_back_and_owes_nothing(member: Member) -> None:
    made = redeem(member, "meals")

    cancel(made)

    (cause,) = giving.causes(member.program)
    assert balances(member) == (1000, 0, 0, 0)
    assert donated_points() == 0
    assert (cause.points, cause.total, cause.owed) == (0, Decimal(0), Decimal(0))
    assert broken() == []


def test_a_later_rate_leaves_earlier_donations_as_they_are(member: Member) -> None:
    redeem(member, "meals")
    Reward.objects.update(donation_rate="1", donation_match_percent=0)
    redeem(member, "meals")

    rows = Donation.objects.order_by("pk").values_list("rate", "amount", "match_amount")
    assert list(rows) == [
        (Decimal("0.015"), Decimal("0.50"), Decimal("0.25")),
        (Decimal(1), Decimal(33), Decimal(0)),
    ]


def test_a_donation_is_not_held(member: Member) -> None:
    with pytest.raises(DonationsAreNotHeld):
        redeem(member, "meals", mode="hold")

    assert balances(member) == (1000, 0, 0, 0)
    assert not Redemption.objects.exists()


def test_a_donation_pays_no_order(member: Member) -> None:
    made = redeem(member, "meals")

    with pytest.raises(RedemptionNotPaid, match="pays no order"):
        tenders.check(member_id=member.pk, redemptions=[made.public_id], moment=NOW)


def test_a_bank_document_pays_exactly_the_sum_of_the_donations(member: Member) -> None:
    first, second = redeem(member, "meals"), redeem(member, "meals", quantity=2)

    # 0.50 + 0.25, and 0.99 + 0.50 of 66 points.
    made = payouts.record(document=document("2.24"), by=clerk(), moment=TOMORROW)

    paid = dict(made.lines.values_list("donation_id", "amount"))
    (cause,) = giving.causes(member.program)
    assert paid == {first.pk: Decimal("0.75"), second.pk: Decimal("1.49")}
    assert (cause.paid_out, cause.owed) == (Decimal("2.24"), Decimal(0))
    assert broken() == []


@pytest.mark.parametrize("amount", ["0.74", "0.76", "75"])
def test_a_document_of_another_amount_is_not_recorded(member: Member, amount: str) -> None:
    redeem(member, "meals")

    with pytest.raises(payouts.PayoutDiffers, match=r"are worth 0\.75\."):
        payouts.record(document=document(amount), by=clerk(), moment=TOMORROW)

    assert not Payout.objects.exists()


def test_what_was_given_after_the_day_of_the_document_waits_for_the_next(member: Member) -> None:
    redeem(member, "meals")
    redeem(member, "meals", at=TOMORROW)
    staff = clerk()

    payouts.record(document=document("0.75"), by=staff, moment=TOMORROW)
    later = document("0.75", "B-2", until=TOMORROW + timedelta(days=1))
    payouts.record(document=later, by=staff, moment=TOMORROW)

    assert PayoutLine.objects.filter(is_open=True).count() == 2


def test_a_document_is_recorded_once(member: Member) -> None:
    redeem(member, "meals")
    staff = clerk()
    payouts.record(document=document("0.75"), by=staff, moment=TOMORROW)
    redeem(member, "meals")

    with pytest.raises(payouts.PayoutRecorded):
        payouts.record(document=document("0.75"), by=staff, moment=TOMORROW)

    assert Payout.objects.count() == 1


def test_a_voided_payout_leaves_its_donations_to_be_paid_by_another(member: Member) -> None:
    redeem(member, "meals")
    staff = clerk()
    wrong = payouts.record(document=document("0.75", "B-9"), by=staff, moment=TOMORROW)

    payouts.void(payout_id=wrong.pk, by=staff, moment=TOMORROW)
    payouts.void(payout_id=wrong.pk, by=staff, moment=TOMORROW)
    payouts.record(document=document("0.75", "B-9"), by=staff, moment=TOMORROW)

    rows = Payout.objects.order_by("pk").values_list("voided_at", "lines__is_open")
    assert list(rows) == [(TOMORROW, False), (None, True)]
    assert broken() == []


def test_a_donation_that_was_paid_out_is_not_cancelled(member: Member) -> None:
    made = redeem(member, "meals")
    payouts.record(document=document("0.75"), by=clerk(), moment=TOMORROW)

    with pytest.raises(DonationPaidOut):
        redemptions.cancel(public_id=made.public_id, caller=CALLER, moment=TOMORROW)

    assert balances(member) == (967, 0, 0, 0)


def test_control_a_document_that_does_not_add_up_is_refused_at_commit(member: Member) -> None:
    made = redeem(member, "meals")
    staff = clerk()

    with pytest.raises(IntegrityError, match="sum of the donations"):
        _record_for_nine(made, staff)

    assert not Payout.objects.exists()


@transaction.atomic
def _record_for_nine(made: Redemption, staff: User) -> None:
    """Write a document of nine over one donation, past the service."""
    payout = Payout.objects.create(
        **{"program": made.program, "reward": made.reward, "document_date": date(2026, 3, 11)},
        **{"reference": "B-1", "amount": "9.00", "recorded_at": NOW, "recorded_by": staff},
    )
    PayoutLine.objects.create(payout=payout, donation_id=made.pk, amount="0.75")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


# "paid" was paid out, "open" was not, "coffee" is another reward.
ATTACKS = {
    "worth more": "UPDATE rewards_donation SET amount = 100",
    "a donation forgotten": "DELETE FROM rewards_donation",
    "a donation of a coffee": (
        "INSERT INTO rewards_donation SELECT r.id, r.reward_id, r.points, 1, 0, 2, r.points, 0,"
        " now() FROM rewards_redemption r JOIN rewards_reward w ON w.id = r.reward_id"
        " AND w.code = 'coffee'"
    ),
    "an amount that is not the points at the rate": (
        "WITH gone AS (SELECT * FROM rewards_donation LIMIT 1) INSERT INTO rewards_donation"
        " SELECT redemption_id, reward_id, points, rate, match_percent, digits, amount + 1,"
        " match_amount, donated_at FROM gone"
    ),
    "a paid donation taken back": (
        "UPDATE rewards_redemption r SET state = 'cancelled', points_given_back = points"
        " FROM rewards_payoutline l WHERE l.donation_id = r.id"
    ),
    "a donation given back in part": (
        "UPDATE rewards_redemption r SET points_given_back = 1 FROM rewards_donation d"
        " WHERE d.redemption_id = r.id"
    ),
    "paid a second time": (
        "WITH p AS (INSERT INTO rewards_payout (public_id, program_id, reward_id, document_date,"
        " reference, amount, recorded_at, recorded_by_id) SELECT gen_random_uuid(), program_id,"
        " reward_id, document_date, 'B-2', amount, now(), recorded_by_id FROM rewards_payout"
        " RETURNING id) INSERT INTO rewards_payoutline (payout_id, donation_id, amount, is_open)"
        " SELECT p.id, l.donation_id, l.amount, true FROM p, rewards_payoutline l"
    ),
    "a document without donations": (
        "INSERT INTO rewards_payout (public_id, program_id, reward_id, document_date, reference,"
        " amount, recorded_at, recorded_by_id) SELECT gen_random_uuid(), program_id, reward_id,"
        " document_date, 'B-3', 5, now(), recorded_by_id FROM rewards_payout"
    ),
    "another donation on an old document": (
        "INSERT INTO rewards_payoutline (payout_id, donation_id, amount, is_open)"
        " SELECT p.id, d.redemption_id, d.amount + d.match_amount, true FROM rewards_payout p,"
        " rewards_donation d WHERE NOT EXISTS (SELECT FROM rewards_payoutline l"
        " WHERE l.donation_id = d.redemption_id)"
    ),
    "a document of another amount": "UPDATE rewards_payout SET amount = 9",
    "a document of another number": "UPDATE rewards_payout SET reference = 'X'",
    "a line of another amount": "UPDATE rewards_payoutline SET amount = 9",
    "a line closed under a document that stands": "UPDATE rewards_payoutline SET is_open = false",
    "a void document with an open line": (
        "UPDATE rewards_payout SET voided_at = now(), voided_by_id = recorded_by_id"
    ),
    "a document deleted": "DELETE FROM rewards_payout",
    "a line deleted": "DELETE FROM rewards_payoutline",
}
REFUSALS = ("23", "42")


@pytest.fixture(params=["site", "owner"])
def attacker(request: pytest.FixtureRequest, database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as each of the roles, to a club with a paid donation, an open one, and a coffee."""
    member = open_club()
    make_reward(member.program)
    redeem(member, "meals")
    payouts.record(document=document("0.75"), by=clerk(), moment=TOMORROW)
    redeem(member, "meals")
    redeem(member, "coffee")
    with psycopg.connect(database_urls[request.param], autocommit=True) as found:
        yield found


def test_no_attack_on_donations_and_payouts_succeeds(attacker: Connection) -> None:
    states = {}
    for name, sql in ATTACKS.items():
        try:
            attacker.execute(sql.encode())
            states[name] = "accepted"
        except psycopg.Error as refusal:
            states[name] = refusal.sqlstate or ""

    assert {name: state for name, state in states.items() if state[:2] not in REFUSALS} == {}
    assert broken() == []


def test_control_the_same_strokes_made_honestly_are_accepted(attacker: Connection) -> None:
    with attacker.transaction():
        attacker.execute(
            "UPDATE rewards_payout SET voided_at = now(), voided_by_id = recorded_by_id"
        )
        closed = attacker.execute("UPDATE rewards_payoutline SET is_open = false").rowcount
        taken = attacker.execute(
            "UPDATE rewards_redemption r SET state = 'cancelled', points_given_back = r.points"
            " FROM rewards_donation d WHERE d.redemption_id = r.id"
        ).rowcount

    assert (closed, taken) == (1, 2)
