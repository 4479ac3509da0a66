"""Tills that enroll the same person at the same moment."""

from __future__ import annotations

import threading

from django.db import connection, connections

from members.models import Identifier, LedgerAccount, Member
from members.services.enrolment import enrol
from members.tests.people import NOON, make_program

EMAIL = ("email", "ana@example.com")
CARD = ("card", "6011000001")


def test_tills_that_enroll_one_person_at_once_make_one_member(committed_database: str) -> None:
    make_program()
    found, errors = _enroll_at_once(
        [[CARD, EMAIL], [CARD, ("external_id", "crm-1")], [CARD], [EMAIL, CARD]] * 4
    )

    assert errors == []
    assert len({member.pk for member, _ in found}) == 1
    assert sum(created for _, created in found) == 1
    assert Member.objects.count() == 1
    assert Identifier.objects.count() == 3
    assert LedgerAccount.objects.filter(member__isnull=False).count() == 5


def _enroll_at_once(
    people: list[list[tuple[str, str]]],
) -> tuple[list[tuple[Member, bool]], list[Exception]]:
    gate = threading.Barrier(len(people))
    found: list[tuple[Member, bool]] = []
    errors: list[Exception] = []

    def till(identifiers: list[tuple[str, str]]) -> None:
        try:
            connection.ensure_connection()
            gate.wait(20)
            found.append(enrol(identifiers=identifiers, moment=NOON, actor="test"))
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=till, args=[identifiers]) for identifiers in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found, errors
