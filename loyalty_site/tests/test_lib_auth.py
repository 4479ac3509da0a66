"""Who may call: tokens of clients and sessions of members."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as OAuthClient
from allauth.idp.oidc.models import Token
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from loyalty_site.lib import auth, problems, schema
from loyalty_site.lib.errors import DomainError
from members.models import User

GET = RequestFactory().get


@pytest.fixture(autouse=True)
def _no_tokens_remembered() -> Iterator[None]:
    """Begin and end with an empty memory."""
    auth.forget_tokens()
    yield
    auth.forget_tokens()


def make_token(value: str, **fields: Any) -> Token:
    client = OAuthClient.objects.create(name="till", scopes="members:read\nmembers:write")
    fields = {"client": client, "scopes": "members:read\nrewards:read", **fields}
    return Token.objects.create(
        type=Token.Type.ACCESS_TOKEN, hash=hashlib.sha256(value.encode()).hexdigest(), **fields
    )


def bearer(value: str) -> HttpRequest:
    return GET("/api/v1/members", headers={"Authorization": f"Bearer {value}"})


@pytest.mark.django_db
def test_a_token_gives_the_scopes_that_its_client_still_has() -> None:
    token = make_token("t")

    caller = auth.identify(bearer("t"))

    assert caller.client_id == token.client_id
    assert caller.scopes == {"members:read"}
    assert caller.label == f"client:{token.client_id}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("_case", "fields"),
    [
        ("expired", {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}),
        ("of nobody", {"client": None}),
    ],
)
def test_a_token_that_no_longer_counts_is_refused(_case: str, fields: dict[str, Any]) -> None:
    make_token("t", **fields)

    with pytest.raises(problems.NotAuthenticated):
        auth.identify(bearer("t"))


@pytest.mark.django_db
def test_a_token_of_a_person_is_no_client() -> None:
    make_token("t", user=User.objects.create_user(email="ana@example.com"))

    with pytest.raises(problems.NotAuthenticated):
        auth.identify(bearer("t"))


@pytest.mark.django_db
def test_a_token_for_another_resource_is_refused() -> None:
    make_token("t", data={"resources": ["https://elsewhere.example/"]})

    with pytest.raises(problems.Forbidden):
        auth.identify(bearer("t"))


@pytest.mark.django_db
def test_a_revoked_token_is_noticed_within_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    make_token("t", expires_at=timezone.now() + timedelta(hours=1))
    clock = [100.0]
    monkeypatch.setattr("loyalty_site.lib.auth.time.monotonic", lambda: clock[0])
    auth.identify(bearer("t"))
    Token.objects.all().delete()

    clock[0] = 104.9
    assert auth.identify(bearer("t")).client_id

    clock[0] = 105.0
    with pytest.raises(problems.NotAuthenticated):
        auth.identify(bearer("t"))


@pytest.mark.django_db
def test_memory_does_not_outlive_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    make_token("t", expires_at=timezone.now() + timedelta(seconds=1))
    clock = [100.0]
    monkeypatch.setattr("loyalty_site.lib.auth.time.monotonic", lambda: clock[0])
    auth.identify(bearer("t"))
    Token.objects.update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))

    clock[0] = 101.1
    with pytest.raises(problems.NotAuthenticated, match="expired"):
        auth.identify(bearer("t"))


def session_of(user: User) -> str:
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


@pytest.mark.django_db
def test_a_session_token_names_its_member_and_a_cookie_nobody() -> None:
    user = User.objects.create_user(email="ana@example.com")
    key = session_of(user)

    by_header = auth.identify(GET("/", headers={"X-Session-Token": key}))
    by_cookie = auth.identify(GET("/", headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={key}"}))

    assert (by_header.user, by_header.label) == (user, "member")
    assert by_cookie.is_known is False


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "x" * 32, "a\x00b", "é" * 10, "a" * 5000, "a' OR 1=1"])
def test_an_unknown_session_token_is_refused(token: str) -> None:
    with pytest.raises(problems.NotAuthenticated):
        auth.identify(GET("/", headers={"X-Session-Token": token}))


@pytest.mark.django_db
def test_a_deactivated_person_is_refused() -> None:
    user = User.objects.create_user(email="ana@example.com")
    key = session_of(user)
    User.objects.update(is_active=False)

    with pytest.raises(problems.NotAuthenticated):
        auth.identify(GET("/", headers={"X-Session-Token": key}))


NOBODY = auth.Caller(key="address:")
TILL = auth.Caller(key="client:t", client_id="t", scopes=frozenset({"members:read"}))
ANA = auth.Caller(key="user:1", user=User(email="ana@example.com"))


@pytest.mark.parametrize(
    ("_case", "caller", "access", "refusal"),
    [
        ("public for nobody", NOBODY, (schema.PUBLIC,), None),
        ("scope for nobody", NOBODY, ("members:read",), problems.NotAuthenticated),
        ("member for nobody", NOBODY, (schema.MEMBER,), problems.NotAuthenticated),
        ("scope held", TILL, ("members:read",), None),
        ("one of two scopes held", TILL, ("purchases:write", "members:read"), None),
        ("scope lacking", TILL, ("members:write",), problems.InsufficientScope),
        ("member's for a client", TILL, (schema.MEMBER,), problems.MemberRequired),
        ("shared for a client", TILL, ("rewards:read", schema.MEMBER), problems.InsufficientScope),
        ("member's for a member", ANA, (schema.MEMBER,), None),
        ("shared for a member", ANA, ("rewards:read", schema.MEMBER), None),
        ("client's for a member", ANA, ("members:read",), problems.Forbidden),
    ],
)
def test_access_is_by_any_one_word(
    _case: str,
    caller: auth.Caller,
    access: tuple[str, ...],
    refusal: type[DomainError] | None,
) -> None:
    if refusal is None:
        auth.authorize(caller, access)
        return
    with pytest.raises(refusal):
        auth.authorize(caller, access)


@pytest.mark.django_db
def test_a_created_client_gets_a_token_with_its_scopes(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_client", "Till 3", "--scope", "members:read", "points:redeem", "--json")
    made = json.loads(capsys.readouterr().out)
    form = {"grant_type": "client_credentials", **made}

    response = Client().post("/identity/o/api/token", form)

    assert response.status_code == 200
    assert auth.identify(bearer(response.json()["access_token"])).scopes == {
        "members:read",
        "points:redeem",
    }
