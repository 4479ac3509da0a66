"""How a person becomes a member."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from loyalty_site.lib.problems import Invalid
from members import cards
from members.models import (
    ConsentRecord,
    Identifier,
    LedgerAccount,
    Member,
    OutboxEvent,
    TierMembership,
)
from members.numbers import is_member_number
from members.queries.lookup import UnknownMember, find_member, resolve_member
from members.queries.program import NoProgram
from members.services.consents import Answer
from members.services.enrolment import enrol
from members.services.identifiers import IdentifierConflict
from members.tests.people import DAY, NOON, make_member, make_program

pytestmark = pytest.mark.django_db

EMAIL = ("email", "ana@example.com")
CARD = ("card", "6011000001")


def test_a_person_becomes_a_member_with_all_that_belongs_to_one() -> None:
    program = make_program()

    member, created = enrol(
        identifiers=[("email", " Ana@Example.com"), CARD],
        first_name="Ana",
        last_name="Silva",
        birth_date=date(1990, 2, 28),
        locale="en",
        timezone="Europe/Lisbon",
        source_channel="pos",
        consents=[Answer("marketing", "email", granted=True)],
        enrolled_at=NOON - DAY,
        moment=NOON,
        actor="client:till",
    )

    assert created
    assert is_member_number(member.number)
    assert (member.status, member.enrolled_at, member.recorded_at) == ("active", NOON - DAY, NOON)
    rows = member.identifiers.order_by("kind").values_list(
        "kind", "value", "verified_at", "is_primary", "is_from_enrolment"
    )
    assert list(rows) == [
        ("card", "6011000001", None, True, True),
        ("email", "ana@example.com", None, True, True),
    ]
    accounts = LedgerAccount.objects.filter(member=member).order_by("currency_id", "kind")
    assert list(accounts.values_list("currency__code", "kind", "floor", "balance")) == [
        ("points", "available", 0, 0),
        ("points", "debt", -500, 0),
        ("points", "held", 0, 0),
        ("points", "pending", 0, 0),
        ("status", "available", 0, 0),
    ]
    standing = TierMembership.objects.get(member=member)
    assert (standing.tier.code, standing.starts_at, standing.ends_at) == (
        "bronze",
        NOON - DAY,
        None,
    )
    assert standing.evidence["cause"] == "enrolled"
    consent = ConsentRecord.objects.get(member=member)
    assert (consent.granted, consent.source, consent.at) == (True, "client", NOON)
    event = OutboxEvent.objects.get(program=program)
    assert (event.kind, event.payload) == ("member_enrolled", {"member": str(member.public_id)})


def test_the_same_person_is_returned_unchanged_and_gets_what_was_missing() -> None:
    make_program()
    first = enrol(identifiers=[CARD], first_name="Ana", moment=NOON, actor="test").member

    again = enrol(
        identifiers=[EMAIL, CARD],
        first_name="Eve",
        consents=[Answer("marketing", "email", granted=True)],
        moment=NOON + DAY,
        actor="test",
    )

    assert again == (first, False)
    again.member.refresh_from_db()
    assert (again.member.first_name, again.member.changed_at) == ("Ana", NOON)
    added = Identifier.objects.get(kind="email")
    assert (added.member, added.verified_at, added.is_from_enrolment) == (first, None, False)
    assert ConsentRecord.objects.count() == 0
    assert OutboxEvent.objects.count() == 1


def test_a_second_address_of_a_kind_is_not_primary() -> None:
    make_program()
    enrol(identifiers=[EMAIL], moment=NOON, actor="test")

    enrol(identifiers=[EMAIL, ("email", "b@example.com")], moment=NOON, actor="test")

    assert list(Identifier.objects.order_by("pk").values_list("is_primary", flat=True)) == [
        True,
        False,
    ]


def test_identifiers_of_two_members_are_refused_and_nothing_is_added() -> None:
    make_program()
    make_member("A-1")
    make_member("B-1")

    with pytest.raises(IdentifierConflict):
        enrol(identifiers=[("card", "A-1"), ("card", "B-1"), EMAIL], moment=NOON, actor="test")

    assert Identifier.objects.count() == 2


def test_a_member_number_read_as_a_card_leads_to_its_member() -> None:
    make_program()
    member = make_member()

    again = enrol(identifiers=[("card", member.number), EMAIL], moment=NOON, actor="test")

    assert again == (member, False)
    assert list(member.identifiers.order_by("pk").values_list("kind", flat=True)) == [
        "card",
        "email",
    ]


@pytest.mark.parametrize(
    ("_case", "told", "pointer", "code"),
    [
        ("nothing", {"identifiers": []}, "/identifiers", "required"),
        (
            "no address",
            {"identifiers": [CARD, ("email", "ana")]},
            "/identifiers/1/value",
            "invalid_email",
        ),
        (
            "enrolled ahead",
            {"enrolled_at": NOON + timedelta(minutes=5, seconds=1)},
            "/enrolled_at",
            "in_the_future",
        ),
        ("born ahead", {"birth_date": date(2026, 3, 4)}, "/birth_date", "out_of_range"),
        ("born long ago", {"birth_date": date(1899, 12, 31)}, "/birth_date", "out_of_range"),
    ],
)
def test_what_cannot_be_is_refused_and_nobody_is_enrolled(
    _case: str, told: dict[str, object], pointer: str, code: str
) -> None:
    make_program()

    with pytest.raises(Invalid) as refusal:
        enrol(**{"identifiers": [CARD], "moment": NOON, "actor": "test", **told})  # type: ignore[arg-type]

    assert [(error.pointer, error.code) for error in refusal.value.errors] == [(pointer, code)]
    assert Member.objects.count() == 0


def test_a_till_may_be_five_minutes_ahead() -> None:
    make_program()

    member = make_member(enrolled_at=NOON + timedelta(minutes=5))

    assert member.enrolled_at == NOON + timedelta(minutes=5)


def test_without_a_program_nobody_can_be_enrolled() -> None:
    with pytest.raises(NoProgram):
        enrol(identifiers=[CARD], moment=NOON, actor="test")


@pytest.mark.parametrize(
    ("_case", "text", "is_found"),
    [
        ("the card", " 6011000001 ", True),
        ("the address in capitals", "ANA@EXAMPLE.COM", True),
        ("the phone with spaces", "+351 912 345 678", True),
        ("an external id", "crm-7", True),
        ("an external id in capitals", "CRM-7", False),
        ("a part of the card", "601100000", False),
        ("nothing", "  ", False),
    ],
)
def test_members_are_found_by_any_identifier_exactly(_case: str, text: str, is_found: bool) -> None:
    program = make_program()
    phone = ("phone", "+351912345678")
    member = make_member(identifiers=[EMAIL, CARD, phone, ("external_id", "crm-7")])
    make_member("other")

    assert find_member(program, text, NOON) == (member if is_found else None)


def test_members_are_found_by_number_id_and_the_code_of_their_card() -> None:
    program = make_program()
    member = make_member()
    code = cards.code(member.card_secret, member.number, NOON)

    assert find_member(program, member.number, NOON) == member
    assert find_member(program, code, NOON) == member
    assert find_member(program, code, cards.valid_until(NOON) + timedelta(seconds=29)) == member
    assert find_member(program, code, cards.valid_until(NOON) + timedelta(seconds=30)) is None
    assert resolve_member(program=program, moment=NOON, id=member.public_id) == member


def test_an_unknown_member_is_refused() -> None:
    program = make_program()
    member = make_member()

    with pytest.raises(UnknownMember):
        resolve_member(program=program, moment=NOON, identifier="nobody")
    with pytest.raises(UnknownMember):
        resolve_member(program=program, moment=NOON, id=member.card_secret)


def test_an_identifier_goes_before_a_member_number() -> None:
    program = make_program()
    numbered = make_member()
    Identifier.objects.create(
        program=program,
        member=(carded := make_member("B-1")),
        kind="card",
        value=numbered.number,
        added_at=NOON,
    )

    assert find_member(program, numbered.number, NOON) == carded
