"""Callers of the API for tests: a till with a token, a member with a session of their app."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import orjson
from allauth.account.models import EmailAddress
from allauth.headless.internal.sessionkit import new_session
from allauth.idp.oidc.models import Client as OidcClient
from allauth.idp.oidc.models import Token
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.test import Client
from django.utils import timezone

from loyalty_site.lib.auth import SCOPES
from members.models import Member, User

_numbers = count(1)


@dataclass
class Caller:
    """Calls below ``/api/v1`` with its credentials."""

    headers: dict[str, str]
    http: Client = field(default_factory=Client)

    def get(self, path: str, /, headers: dict[str, str] | None = None, **query: Any) -> Any:
        """Return the answer to GET."""
        return self.http.get(f"/api/v1{path}", query, headers=self.headers | (headers or {}))

    def send(self, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Return the answer to a request with a body."""
        return self.http.generic(
            method,
            f"/api/v1{path}",
            data=_json(body),
            content_type="application/json",
            headers=self.headers | (headers or {}),
        )

    def post(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Return the answer to POST."""
        return self.send("POST", path, body, headers)

    def patch(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Return the answer to PATCH."""
        return self.send("PATCH", path, body, headers)

    def put(self, path: str, body: Any) -> Any:
        """Return the answer to PUT."""
        return self.send("PUT", path, body)


def till(*scopes: str, name: str = "till") -> Caller:
    """Return a client with these scopes, with all of them unless told."""
    granted = list(scopes or SCOPES)
    # Tokens are remembered by the process, so that each has a name of its own.
    name = f"{name}-{next(_numbers)}"
    client = OidcClient(id=f"client-{name}", name=name)
    client.set_scopes(granted)
    client.save()
    secret = f"token-of-{name}"
    token = Token(
        type=Token.Type.ACCESS_TOKEN,
        hash=_digest(secret),
        client=client,
        expires_at=timezone.now() + timedelta(hours=1),
    )
    token.set_scopes(granted)
    token.save()
    return Caller({"Authorization": f"Bearer {secret}"})


def login_of(member: Member, email: str = "ana@example.com") -> User:
    """Return a login joined to the member, with a verified address."""
    user = User.objects.create_user(email)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    member.user = user
    member.save()
    return user


def app(user: User, *, authenticated_at: float | None = None) -> Caller:
    """Return the app of a user who is logged in since ``authenticated_at``, or for a while."""
    session: Any = new_session()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    if authenticated_at is not None:
        session["account_authentication_methods"] = [{"method": "code", "at": authenticated_at}]
        session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return Caller({"X-Session-Token": session.session_key})


def _json(body: Any) -> bytes:
    return b"" if body is None else orjson.dumps(body)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
