"""Points with partners: given, exchanged, paid for beforehand or settled by the month."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connections

from members.lots import InsufficientPoints
from members.models import (
    LedgerAccount,
    LedgerEntry,
    LedgerTransaction,
    Member,
    Partner,
    PartnerBalance,
    PartnerMovement,
    PartnerStatement,
    PointLot,
    Program,
    User,
)
from members.services import merging, partner_statements, partners, reconciliation
from members.services.partner_terms import PartnerFixed, apply_partners
from members.services.partners import MovementConflict, PackUsedUp, PartnerRefused
from members.tests.books import Connection
from members.tests.people import DAY, NOON, earn, make_member, make_program, owe

Kind = PartnerMovement.Kind
# A cent for a point given, 0.008 for a point taken, two miles for a point, a half point for a mile.
RATE = {
    **{"starts_at": "2026-01-01T00:00:00+00:00", "rate_in": "0.5", "rate_out": "2"},
    **{"price_in": "0.01", "price_out": "0.008"},
}
APRIL = datetime(2026, 4, 1, tzinfo=UTC)


def row(**told: Any) -> dict[str, Any]:
    """Return a postpaid airline as the program file states it."""
    return {
        **{"code": "air", "name": {"en": "Air"}, "unit": "miles", "currency": "points"},
        **{"funding": "postpaid", "caps": {}, "rates": [RATE], **told},
    }


def make_partner(**told: Any) -> Partner:
    """Return the airline in a program of its own, with what is told."""
    program = Program.objects.first() or make_program()
    apply_partners(program=program, rows=[row(**told)], moment=NOON)
    return Partner.objects.select_related("program").get()


def move(
    partner: Partner, member: Member, kind: str, amount: str, ref: str = "1", **told: Any
) -> PartnerMovement:
    """Move points through the service."""
    moment = told.pop("at", NOON)
    wish = partners.Wish(
        partner=partner,
        member=member,
        kind=Kind(kind),
        external_id=ref,
        amount=Decimal(amount),
        actor="test",
        **told,
    )
    return partners.move(wish=wish, moment=moment)


def fund(partner: Partner, points: int, reference: str = "R-1") -> None:
    """Record a payment for a pack."""
    partners.fund(
        partner=partner,
        points=points,
        amount=Decimal("1.00"),
        reference=reference,
        by=User.objects.filter(is_staff=True).first() or clerk(),
        moment=NOON,
    )


def clerk() -> User:
    """Return somebody of the staff."""
    return User.objects.create_user("clerk@example.com", "a long enough password", is_staff=True)


def available(member: Member) -> int:
    """Return what the member has."""
    return LedgerAccount.objects.get(
        member=member, kind="available", currency__code="points"
    ).balance


def at_partner() -> int:
    """Return what stands on the partner's account."""
    rows = LedgerEntry.objects.filter(account__kind="partner:air").values_list("points", flat=True)
    return sum(rows)


def broken() -> list[str]:
    """Return the invariants of the books that do not hold."""
    wanted = [check for check in reconciliation.checks() if check.name[0].isdigit()]
    assert "14_partners" in {check.name for check in wanted}
    findings = reconciliation.verify(wanted).findings
    return [each.name for each in findings if each.differences]


@pytest.mark.django_db
def test_points_that_a_partner_gives_come_from_its_account() -> None:
    partner = make_partner()
    member = make_member()

    made = move(partner, member, "credit", "300", expires_at=NOON + 90 * DAY)

    assert (available(member), at_partner()) == (300, -300)
    assert (made.price, made.amount, made.month) == (
        Decimal("0.01"),
        Decimal(3),
        date(2026, 3, 1),
    )
    assert PointLot.objects.get().expires_at == NOON + 90 * DAY
    assert broken() == []


@pytest.mark.django_db
def test_points_from_a_partner_pay_debt_first() -> None:
    partner = make_partner()
    member = make_member()
    owe(member, 40)

    move(partner, member, "credit", "100")

    assert available(member) == 60
    assert broken() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("_case", "kind", "amount", "points", "units", "owed"),
    [
        ("miles become points, rounded down", "exchange_in", "101", 50, "101", "0.50"),
        ("points become miles", "exchange_out", "75", 75, "150", "-0.600"),
    ],
)
def test_an_exchange_keeps_the_rates_of_its_moment(
    _case: str, kind: str, amount: str, points: int, units: str, owed: str
) -> None:
    partner = make_partner()
    member = make_member()
    earn(member, 100)

    made = move(partner, member, kind, amount)
    later = {**RATE, "starts_at": "2026-03-05T00:00:00+00:00", "price_in": "1", "rate_in": "9"}
    apply_partners(program=partner.program, rows=[row(rates=[RATE, later])], moment=NOON)

    made.refresh_from_db()
    sign = 1 if kind == "exchange_in" else -1
    assert (made.points, made.units, made.amount) == (points, Decimal(units), Decimal(owed))
    assert available(member) == 100 + sign * points
    assert broken() == []


@pytest.mark.django_db
def test_a_repeated_reference_moves_nothing_and_another_content_is_refused() -> None:
    partner = make_partner()
    member = make_member()
    first = move(partner, member, "credit", "10")

    again = move(partner, member, "credit", "10", at=NOON + DAY)
    with pytest.raises(MovementConflict):
        move(partner, member, "credit", "11")

    assert again.pk == first.pk
    assert available(member) == 10


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("_case", "told", "kind", "amount", "reason"),
    [
        ("more than a day's cap", {"caps": {"given_per_day": 99}}, "credit", "100", "cap"),
        ("more out than a cap", {"caps": {"taken_per_day": 9}}, "exchange_out", "10", "cap"),
        ("a mile is no point", {}, "exchange_in", "1", "no_points"),
        ("no rate in", {"rates": [{**RATE, "rate_in": None}]}, "exchange_in", "10", "no_rate"),
        ("no rate out", {"rates": [{**RATE, "rate_out": None}]}, "exchange_out", "9", "no_rate"),
        (
            "a rate of the future",
            {"rates": [{**RATE, "starts_at": "2027-01-01T00:00:00+00:00"}]},
            *("credit", "10", "no_rate"),
        ),
    ],
)
def test_what_is_not_agreed_moves_nothing(
    _case: str, told: dict[str, Any], kind: str, amount: str, reason: str
) -> None:
    partner = make_partner(**told)
    member = make_member()
    earn(member, 50)

    with pytest.raises(PartnerRefused) as refusal:
        move(partner, member, kind, amount)

    assert refusal.value.figures["reason"] == reason
    assert (available(member), PartnerMovement.objects.count()) == (50, 0)


@pytest.mark.django_db
def test_caps_count_the_day_of_the_program_and_forget_what_failed() -> None:
    partner = make_partner(caps={"taken_per_day": 60})
    member = make_member()
    earn(member, 500)
    first = move(partner, member, "exchange_out", "60")
    with pytest.raises(PartnerRefused):
        move(partner, member, "exchange_out", "1", "2")

    partners.fail(public_id=first.public_id, actor="test", moment=NOON)
    move(partner, member, "exchange_out", "60", "3")
    move(partner, member, "exchange_out", "60", "4", at=NOON + DAY)

    assert available(member) == 380


@pytest.mark.django_db
def test_a_retired_partner_and_a_suspended_member_move_nothing() -> None:
    partner = make_partner()
    member = make_member()
    Member.objects.update(status="suspended")
    with pytest.raises(PartnerRefused):
        move(partner, member, "credit", "10")
    Member.objects.update(status="active")
    apply_partners(program=partner.program, rows=[], moment=NOON)
    partner.refresh_from_db()

    with pytest.raises(PartnerRefused):
        move(partner, member, "credit", "10")

    assert available(member) == 0


@pytest.mark.django_db
def test_an_exchange_takes_what_the_member_has_and_no_more() -> None:
    partner = make_partner()
    member = make_member()
    earn(member, 50)

    with pytest.raises(InsufficientPoints, match="51 points asked, 50 available"):
        move(partner, member, "exchange_out", "51")

    assert (available(member), at_partner()) == (50, 0)


@pytest.mark.django_db
def test_a_reference_never_says_who() -> None:
    partner, member = make_partner(), make_member()

    with pytest.raises(IntegrityError, match="members_partnermovement_reference"):
        move(partner, member, "credit", "10", "ana@example.com")

    assert not PartnerMovement.objects.exists()


@pytest.mark.django_db
def test_a_failed_exchange_after_a_merge_gives_the_points_to_the_survivor() -> None:
    partner = make_partner()
    merged, survivor = make_member(), make_member("6011000002")
    earn(merged, 60)
    made = move(partner, merged, "exchange_out", "40")
    wanted = merging.Wanted(survivor_id=survivor.pk, merged_id=merged.pk, reason="twice")
    merging.merge(wanted=wanted, by=clerk(), moment=NOON + DAY)

    partners.fail(public_id=made.public_id, actor="test", moment=NOON + 2 * DAY)

    assert (available(merged), available(survivor)) == (0, 60)
    assert broken() == []


@pytest.mark.django_db
def test_a_failed_exchange_gives_the_points_back_to_their_lots() -> None:
    partner = make_partner()
    member = make_member()
    earn(member, 30, expires_at=NOON + 10 * DAY)
    earn(member, 30)
    made = move(partner, member, "exchange_out", "40")

    partners.fail(public_id=made.public_id, actor="test", moment=NOON + DAY)
    partners.fail(public_id=made.public_id, actor="test", moment=NOON + DAY)

    lots = PointLot.objects.order_by("pk").values_list("remaining", "expires_at")
    amounts = PartnerMovement.objects.order_by("pk").values_list("kind", "state", "amount")
    assert list(lots) == [(30, NOON + 10 * DAY), (30, None)]
    assert list(amounts) == [
        ("exchange_out", "failed", Decimal("-0.32")),
        ("exchange_back", "confirmed", Decimal("0.32")),
    ]
    assert (available(member), at_partner(), PartnerBalance.objects.get().taken) == (60, 0, 0)
    assert broken() == []


@pytest.mark.django_db
def test_a_confirmed_exchange_does_not_fail_and_a_failed_one_is_not_confirmed() -> None:
    partner = make_partner()
    member = make_member()
    earn(member, 100)
    kept, lost = (move(partner, member, "exchange_out", "40", ref) for ref in "12")

    partners.confirm(public_id=kept.public_id)
    partners.confirm(public_id=kept.public_id)
    partners.fail(public_id=lost.public_id, actor="test", moment=NOON)
    with pytest.raises(PartnerRefused):
        partners.fail(public_id=kept.public_id, actor="test", moment=NOON)
    with pytest.raises(PartnerRefused):
        partners.confirm(public_id=lost.public_id)

    assert available(member) == 60


@pytest.mark.django_db
def test_a_prepaid_partner_gives_what_it_paid_for_to_the_point() -> None:
    partner = make_partner(funding="prepaid")
    member = make_member()
    fund(partner, 100)
    fund(partner, 100)
    made = move(partner, member, "credit", "70")
    with pytest.raises(PackUsedUp):
        move(partner, member, "credit", "31", "2")

    move(partner, member, "credit", "30", "3")

    assert made.amount == 0
    assert (available(member), PartnerBalance.objects.get().left) == (100, 0)
    assert broken() == []


@pytest.mark.django_db
def test_a_postpaid_partner_buys_no_pack() -> None:
    with pytest.raises(PartnerRefused):
        fund(make_partner(), 1)


@pytest.mark.django_db
def test_a_partner_keeps_its_funding() -> None:
    make_partner()

    with pytest.raises(PartnerFixed):
        make_partner(funding="prepaid")


@pytest.mark.django_db
def test_a_month_nets_to_the_sum_of_its_movements_and_is_closed_for_ever() -> None:
    partner = make_partner()
    member = make_member()
    earn(member, 500)
    move(partner, member, "credit", "300")
    lost = move(partner, member, "exchange_out", "125", "2")
    move(partner, member, "exchange_in", "40", "3", at=APRIL)
    partners.fail(public_id=lost.public_id, actor="test", moment=APRIL)
    partner_statements.propose(APRIL, None)  # type: ignore[arg-type]  # has no trouble to tell
    statement = PartnerStatement.objects.get()

    staff = clerk()
    closed = partner_statements.close(statement_id=statement.pk, by=staff, moment=APRIL)
    partner_statements.close(statement_id=statement.pk, by=staff, moment=APRIL + DAY)
    partner_statements.propose(APRIL + 40 * DAY, None)  # type: ignore[arg-type]  # as above

    # 300 at a cent, less 125 at 0.008; what failed in April stands in April.
    months = PartnerStatement.objects.order_by("month").values_list(
        *("month", "movements", "points_given", "points_taken", "net_amount", "closed_at")
    )
    assert list(months) == [
        (date(2026, 3, 1), 2, 300, 125, Decimal(2), APRIL),
        (date(2026, 4, 1), 2, 20, -125, Decimal("1.2"), None),
    ]
    amounts = [each["amount"] for each in partner_statements.entries(closed)]
    assert sum(amounts) == closed.net_amount
    assert broken() == []


@pytest.mark.django_db
def test_a_month_that_runs_is_not_closed() -> None:
    partner = make_partner()
    move(partner, make_member(), "credit", "10")
    statement = partner_statements.draft(partner=partner, month=date(2026, 3, 1), moment=NOON)

    with pytest.raises(partner_statements.MonthNotOver):
        partner_statements.close(
            statement_id=statement.pk, by=clerk(), moment=APRIL - timedelta(microseconds=1)
        )

    statement.refresh_from_db()
    assert statement.closed_at is None


def test_the_last_prepaid_points_are_given_once(committed_database: str) -> None:
    partner = make_partner(funding="prepaid")
    members = [make_member(f"60110000{number:02d}") for number in range(8)]
    fund(partner, 50)

    def give(member: Member) -> bool:
        try:
            move(partner, member, "credit", "20", member.number)
        except PackUsedUp:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(give, members))

    assert sum(given) == 2
    assert PartnerBalance.objects.get().left == 10
    assert broken() == []


ATTACKS = {
    "points from a partner without a movement": (
        "SELECT ledger_adjust_credit(m.id, c.id, 5, 'exchange_in', 'partner:air', 'partner',"
        " gen_random_uuid()::text, 'x', now(), now(), '', now(), NULL)"
        " FROM members_member m, members_pointcurrency c WHERE c.code = 'points'"
    ),
    "points under a movement that was posted": (
        "SELECT ledger_adjust_credit(v.member_id, c.id, v.points, 'exchange_in', 'partner:air',"
        " 'partner', v.public_id::text, 'x', now(), now(), '', now(), NULL)"
        " FROM members_partnermovement v, members_pointcurrency c"
        " WHERE c.code = 'points' AND v.kind = 'credit'"
    ),
    "an earn from a partner's account": (
        "SELECT ledger_post(p.id, now(), jsonb_build_object('headers', jsonb_build_array("
        "jsonb_build_object('member', a.member_id, 'currency', a.currency_id, 'type', 'earn',"
        " 'source', 'x', 'ref', 'x', 'actor', 'x', 'occurred_at', now())), 'lots',"
        " jsonb_build_array(jsonb_build_object('h', 0, 'account', a.id, 'points', 5, 'earned_at',"
        " now(), 'available_at', now())), 'uses', '[]'::jsonb, 'entries', jsonb_build_array("
        "jsonb_build_object('h', 0, 'account', a.id, 'points', 5), jsonb_build_object('h', 0,"
        " 'account', ledger_program_account(a.currency_id, 'partner:air'), 'points', -5))))"
        " FROM members_program p, members_ledgeraccount a JOIN members_pointcurrency c"
        " ON c.id = a.currency_id AND c.code = 'points' WHERE a.kind = 'available'"
    ),
    "a movement that nothing was posted for": (
        "INSERT INTO members_partnermovement (public_id, partner_id, member_id, kind, state,"
        " external_id, points, price, amount, day, month, recorded_at, actor)"
        " SELECT gen_random_uuid(), partner_id, member_id, kind, state, 'other', points, price,"
        " amount, day, month, recorded_at, 'x' FROM members_partnermovement WHERE kind = 'credit'"
    ),
    "a price of its own": (
        "INSERT INTO members_partnermovement (public_id, partner_id, member_id, kind, state,"
        " external_id, points, price, amount, day, month, recorded_at, actor)"
        " SELECT gen_random_uuid(), partner_id, member_id, kind, state, 'cheap', points, 0, 0,"
        " day, month, recorded_at, 'x' FROM members_partnermovement WHERE kind = 'credit'"
    ),
    "another amount": "UPDATE members_partnermovement SET amount = 0",
    "confirmed again after it failed": (
        "UPDATE members_partnermovement SET state = 'confirmed' WHERE state = 'failed'"
    ),
    "failed without giving back": (
        "UPDATE members_partnermovement SET state = 'failed' WHERE state = 'requested'"
    ),
    "a movement deleted": "DELETE FROM members_partnermovement",
    "a pack for nothing": "UPDATE members_partnerbalance SET funded = 1000000",
    "a balance without its pack": "UPDATE members_partnerbalance SET is_prepaid = false",
    "another funding": "UPDATE members_partner SET funding = 'prepaid'",
    "a pack for a postpaid partner": (
        "INSERT INTO members_partnerfunding (partner_id, points, amount, reference, recorded_at,"
        " recorded_by_id) SELECT p.id, 5, 0, 'x', now(), u.id FROM members_partner p,"
        " members_user u"
    ),
    "a closed month opened": (
        "UPDATE members_partnerstatement SET closed_at = NULL, closed_by_id = NULL"
    ),
    "another net": "UPDATE members_partnerstatement SET net_amount = 0",
    "a statement of its own sum": (
        "INSERT INTO members_partnerstatement (partner_id, month, movements, points_given,"
        " points_taken, net_amount, made_at) SELECT partner_id, '2026-02-01', 1, 1, 1, 5, now()"
        " FROM members_partnerstatement"
    ),
    "a movement into a closed month": (
        "INSERT INTO members_partnermovement (public_id, partner_id, member_id, kind, state,"
        " external_id, points, price, amount, day, month, recorded_at, actor)"
        " SELECT gen_random_uuid(), partner_id, member_id, kind, state, 'late', points, price,"
        " amount, day, month, recorded_at, 'x' FROM members_partnermovement WHERE kind = 'credit'"
    ),
    "a statement deleted": "DELETE FROM members_partnerstatement",
    "a partner deleted": "DELETE FROM members_partner",
}
REFUSALS = ("23", "42")


@pytest.fixture(params=["site", "owner"])
def attacker(request: pytest.FixtureRequest, database_urls: dict[str, str]) -> Iterator[Connection]:
    """Log in as each of the roles, to a partner with movements and a closed month."""
    partner = make_partner()
    member = make_member()
    earn(member, 500)
    move(partner, member, "credit", "300")
    lost, _open = (move(partner, member, "exchange_out", "40", ref) for ref in "23")
    partners.fail(public_id=lost.public_id, actor="test", moment=NOON)
    statement = partner_statements.draft(partner=partner, month=date(2026, 3, 1), moment=NOON)
    partner_statements.close(statement_id=statement.pk, by=clerk(), moment=APRIL)
    with psycopg.connect(database_urls[request.param], autocommit=True) as connection:
        yield connection


def test_no_attack_on_partners_succeeds(attacker: Connection) -> None:
    before = list(PartnerMovement.objects.order_by("pk").values_list())
    posted = LedgerTransaction.objects.count()
    states = {}
    for name, sql in ATTACKS.items():
        try:
            attacker.execute(sql.encode())
            states[name] = "accepted"
        except psycopg.Error as refusal:
            states[name] = refusal.sqlstate or ""

    assert {name: state for name, state in states.items() if state[:2] not in REFUSALS} == {}
    assert list(PartnerMovement.objects.order_by("pk").values_list()) == before
    assert LedgerTransaction.objects.count() == posted
    assert broken() == []


def test_control_the_same_strokes_made_honestly_are_accepted(attacker: Connection) -> None:
    confirmed = attacker.execute(
        "UPDATE members_partnermovement SET state = 'confirmed' WHERE state = 'requested'"
    )
    counted = attacker.execute(
        "INSERT INTO members_partnerstatement (partner_id, month, movements, points_given,"
        " points_taken, net_amount, made_at) SELECT partner_id, '2026-02-01', 0, 0, 0, 0, now()"
        " FROM members_partnerstatement"
    )

    assert (confirmed.rowcount, counted.rowcount) == (1, 1)
