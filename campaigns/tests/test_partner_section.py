"""Partners in the program file: read, refused with their path, applied, exported and retired."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from campaigns.programfile import ProgramFileError, canonical, dump, parse
from campaigns.services import program
from campaigns.tests.shop import JOINED, apply, program_file
from members.models import LedgerAccount, Partner, PartnerRate

RATE = {"starts_at": "2026-01-01T00:00", "rate_in": "0.5", "price_in": "0.01"}
AIR: dict[str, Any] = {
    "code": "air",
    "name": "Blue Air",
    "unit": "miles",
    "funding": "postpaid",
    "caps": {"given_per_day": 5000},
    "rates": [RATE],
}


def file_with(*partners: dict[str, Any]) -> dict[str, Any]:
    """Return the shop's program with partners."""
    return program_file(partners=list(partners))


def plan_of(*partners: dict[str, Any]) -> list[str]:
    """Return what applying the partners would change."""
    return [str(each) for each in program.plan(parse(json.dumps(file_with(*partners))))]


@pytest.mark.django_db
def test_a_partner_is_made_with_its_rates_and_its_account_and_retired_when_left_out() -> None:
    apply(file_with(AIR))
    apply(file_with(AIR), moment=JOINED + timedelta(days=1))

    partner = Partner.objects.get()
    rate = PartnerRate.objects.get()
    assert (partner.currency.code, partner.given_per_day, partner.taken_per_day) == (
        "points",
        5000,
        None,
    )
    assert partner.changed_at == JOINED
    assert (rate.rate_in, rate.rate_out, rate.price_out) == (Decimal("0.5"), None, Decimal(0))
    assert LedgerAccount.objects.filter(kind="partner:air", member=None).count() == 1
    assert plan_of(AIR) == []
    assert plan_of() == ["- partner air: retired"]
    apply(file_with())
    assert Partner.objects.get().is_retired


@pytest.mark.django_db
def test_an_exported_partner_reads_back_to_the_same() -> None:
    document = parse(json.dumps(file_with(AIR)))

    again = parse(dump(canonical(document)))

    assert again.partners == document.partners


@pytest.mark.parametrize(
    ("_case", "told", "path"),
    [
        ("no rates", {"rates": []}, "partners[0].rates"),
        ("two at once", {"rates": [RATE, RATE]}, "partners[0].rates"),
        (
            "a rate of nothing",
            {"rates": [{**RATE, "rate_in": "0"}]},
            "partners[0].rates[0].rate_in",
        ),
        ("an unknown way to pay", {"funding": "barter"}, "partners[0].funding"),
        ("a cap of nothing", {"caps": {"given_per_day": 0}}, "partners[0].caps.given_per_day"),
        ("status points", {"currency": "status"}, "partners[0].currency"),
        ("a key of its own", {"discount": 1}, "partners[0].discount"),
    ],
)
def test_what_no_partner_can_have_is_refused_with_its_path(
    _case: str, told: dict[str, Any], path: str
) -> None:
    with pytest.raises(ProgramFileError) as refused:
        parse(json.dumps(file_with({**AIR, **told})))

    assert path in {problem.path for problem in refused.value.problems}


@pytest.mark.parametrize(
    ("_case", "told", "path"),
    [
        ("terms of a coffee", {"kind": "service"}, "rewards[0].donation"),
        ("a rate of nothing", {"donation": {"rate": "0"}}, "rewards[0].donation.rate"),
        ("a goal of nothing", {"donation": {"target": "0"}}, "rewards[0].donation.target"),
    ],
)
def test_what_no_cause_can_have_is_refused_with_its_path(
    _case: str, told: dict[str, Any], path: str
) -> None:
    meal = {
        **{"code": "meal", "kind": "donation", "name": "A meal", "points_price": 100},
        "donation": {"rate": "0.01"},
    }

    with pytest.raises(ProgramFileError) as refused:
        parse(json.dumps(program_file(rewards=[{**meal, **told}])))

    assert path in {problem.path for problem in refused.value.problems}
