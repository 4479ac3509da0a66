"""Which membership a login opens."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client

from members.adapters import AccountAdapter
from members.models import Identifier, Member, User
from members.services import logins
from members.services.enrolment import enrol
from members.tests.people import DAY, NOON, make_member, make_program

pytestmark = [pytest.mark.django_db, pytest.mark.urls("members.tests.urls")]

ADDRESS = "ana@example.com"


def make_user(email: str = ADDRESS, *, verified: bool = True, **fields: Any) -> User:
    """Return a login with an address."""
    user = User.objects.create_user(email, **fields)
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)
    return user


def identifier(value: str = ADDRESS) -> Identifier:
    """Return the identifier of that value."""
    return Identifier.objects.get(kind="email", value=value)


def test_a_person_who_signs_up_becomes_a_member() -> None:
    make_program()
    user = make_user("Ana@Example.com")

    member = logins.join(user=user, moment=NOON, locale="ru")

    assert member is not None
    assert (member.user, member.locale, member.source_channel) == (user, "ru", "online")
    row = identifier()
    assert (row.member, row.verified_at, row.is_from_enrolment) == (member, NOON, True)
    assert logins.join(user=user, moment=NOON + DAY) == member
    assert Member.objects.count() == 1


def test_a_login_joins_the_member_who_enrolled_with_its_address() -> None:
    make_program()
    member = make_member(identifiers=[("email", ADDRESS), ("card", "A-1")])

    joined = logins.join(user=make_user(), moment=NOON + DAY)

    assert joined == member
    assert identifier().verified_at == NOON + DAY


def test_an_address_that_is_not_verified_opens_nothing() -> None:
    make_program()
    make_member(identifiers=[("email", ADDRESS)])

    assert logins.join(user=make_user(verified=False), moment=NOON) is None
    assert Member.objects.get().user is None


def test_an_address_added_by_a_till_opens_nothing_and_goes_to_who_reads_it() -> None:
    make_program()
    victim = make_member("A-1")
    enrol(identifiers=[("card", "A-1"), ("email", ADDRESS)], moment=NOON, actor="test")

    joined = logins.join(user=make_user(), moment=NOON + DAY)

    assert joined is not None
    assert joined != victim
    victim.refresh_from_db()
    assert victim.user is None
    assert identifier().member == joined
    assert [row.value for row in victim.identifiers.all()] == ["A-1"]


def test_a_member_never_has_two_logins() -> None:
    make_program()
    member = make_member(identifiers=[("email", ADDRESS)])
    first = make_user("first@example.com")
    logins.link(member=member, user=first, moment=NOON)

    joined = logins.join(user=make_user(), moment=NOON + DAY)

    assert joined is not None
    assert joined != member
    assert joined.identifiers.count() == 0
    assert identifier().member == member
    with pytest.raises(logins.AlreadyJoined):
        logins.link(member=member, user=make_user("third@example.com"), moment=NOON)
    with pytest.raises(logins.AlreadyJoined):
        logins.link(member=make_member("B-1"), user=first, moment=NOON)


def test_an_address_verified_later_is_added_to_the_member() -> None:
    make_program()
    user = make_user()
    member = logins.join(user=user, moment=NOON)
    EmailAddress.objects.create(user=user, email="new@example.com", verified=True)

    logins.join(user=user, moment=NOON + DAY)

    row = identifier("new@example.com")
    assert (row.member, row.verified_at, row.is_from_enrolment) == (member, NOON + DAY, False)


def test_staff_are_no_members_and_without_a_program_nobody_is() -> None:
    make_user("boss@example.com", is_staff=True)
    assert logins.join(user=User.objects.get(), moment=NOON) is None

    make_program()
    assert logins.join(user=User.objects.get(), moment=NOON) is None


def test_an_address_that_looks_like_another_is_refused() -> None:
    with pytest.raises(ValidationError):
        AccountAdapter().clean_email("mi\u212ae@example.com")


def test_the_app_signs_a_person_up_by_a_code_and_knows_the_member() -> None:
    make_program()
    member = make_member(identifiers=[("email", ADDRESS)])
    http = Client()

    asked = http.post(
        "/_allauth/app/v1/auth/signup",
        {"email": ADDRESS, "password": "a long enough passphrase"},
        content_type="application/json",
    )
    session = {"X-Session-Token": asked.json()["meta"]["session_token"]}
    code = re.search(r"^\s*([A-Z0-9]{4}-[A-Z0-9]{4})\s*$", str(mail.outbox[-1].body), re.M)
    assert code is not None, mail.outbox[-1].body
    confirmed = http.post(
        "/_allauth/app/v1/auth/email/verify",
        {"key": code[1]},
        content_type="application/json",
        headers=session,
    )

    assert confirmed.status_code == 200, confirmed.content
    token = confirmed.json()["meta"].get("session_token") or session["X-Session-Token"]
    me = http.get("/api/v1/me", headers={"X-Session-Token": token})
    assert (me.status_code, me.json()["id"]) == (200, str(member.public_id))
    verified = me.json()["identifiers"][0]["verified_at"]
    assert verified is not None
