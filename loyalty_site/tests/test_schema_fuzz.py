"""The API answers whatever is sent: no 5xx, and only what its document says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from allauth.account.models import EmailAddress
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from campaigns.programfile import parse
from campaigns.services import program
from loyalty_site.lib.auth import SCOPES
from loyalty_site.lib.openapi import document
from loyalty_site.urls import urlpatterns
from loyalty_site.wsgi import application
from members.models import Member, User
from members.services.enrolment import enrol

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery staple"
EXAMPLES, EXAMPLES_DEEP = 8, 600
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


@pytest.mark.parametrize("caller", ["client", "member", "anyone"])
def test_no_answer_is_a_5xx_or_beside_the_document(
    caller: str, committed_database: str, is_deep: bool, settings: Any
) -> None:
    settings.API_RATE_LIMIT_PER_MINUTE = 10_000_000
    headers = _headers(caller)
    patterns = cast("list[URLPattern | URLResolver]", urlpatterns)
    schema = schemathesis.openapi.from_dict(document(patterns))
    schema.app = application
    examples = EXAMPLES_DEEP if is_deep else EXAMPLES

    for found in schema.get_all_operations():
        operation = cast(Any, found).ok()
        for mode in MODES:
            _fuzz(operation, mode, headers, examples // 2)


def _fuzz(operation: Any, mode: Any, headers: Mapping[str, str], examples: int) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Any) -> None:
        # Credentials are given, not guessed; the wrong ones have tests of their own.
        case.headers.pop("Authorization", None)
        case.headers.pop("X-Session-Token", None)
        # The client of the checks does not unpack what it gets.
        answer = case.call(headers={**headers, "Accept-Encoding": "identity"})
        case.validate_response(answer, checks=CHECKS)

    try:
        run()
    except Unsatisfiable:
        # An operation without parameters has nothing that could be said wrongly.
        if mode is not schemathesis.GenerationMode.NEGATIVE:
            raise


def _headers(caller: str) -> dict[str, str]:
    text = (ROOT / "demo" / "program.yaml").read_text(encoding="utf-8")
    program.apply(document=parse(text), moment=timezone.now())
    member = enrol(
        identifiers=[("card", "6011000001"), ("email", "ana@example.com")],
        moment=timezone.now(),
        actor="test",
    ).member
    if caller == "client":
        return {"Authorization": f"Bearer {_token()}"}
    if caller == "member":
        return {"X-Session-Token": _session(member)}
    return {}


def _token() -> str:
    printed = StringIO()
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    call_command("create_client", "Fuzz", *scopes, json=True, stdout=printed)
    made = json.loads(printed.getvalue())
    answer = Client().post(
        "/identity/o/api/token",
        {"grant_type": "client_credentials", **made},
    )
    token: str = answer.json()["access_token"]
    return token


def _session(member: Member) -> str:
    member.user = User.objects.create_user("ana@example.com", PASSWORD)
    member.save(update_fields=["user"])
    EmailAddress.objects.create(
        user=member.user, email=member.user.email, verified=True, primary=True
    )
    answer = Client().post(
        "/_allauth/app/v1/auth/login",
        {"email": member.user.email, "password": PASSWORD},
        content_type="application/json",
    )
    token: str = answer.json()["meta"]["session_token"]
    return token
