"""Who calls: clients by bearer token, members by the session token of their app."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from allauth.headless.internal.sessionkit import authenticate_by_x_session_token
from allauth.idp.oidc.internal.resources import is_resources_subset
from allauth.idp.oidc.models import Token
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.utils import timezone

from loyalty_site.lib.problems import (
    Forbidden,
    InsufficientScope,
    MemberRequired,
    NotAuthenticated,
)
from loyalty_site.lib.schema import MEMBER, PUBLIC

# What a client may be granted, with the sentence that staff and the document show.
SCOPES: dict[str, str] = {
    "members:read": "Read members, their balances, entries and tiers",
    "members:write": "Enroll members and change their fields",
    "purchases:write": "Post purchases, returns and claims, and read them",
    "points:redeem": "Quote, make and resolve redemptions, look up and use vouchers",
    "rewards:read": "Read the rewards and whether a member may have them",
    "events:write": "Post events",
}

# A revoked token or a narrowed client is noticed after at most this long.
CACHE_SECONDS = 5.0
CACHE_TOKENS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who stands behind a request.

    ``client_id`` is set for clients, ``user`` for members, neither for anyone
    else. ``key`` names the caller to limits and logs.
    """

    key: str
    client_id: str = ""
    scopes: frozenset[str] = frozenset()
    resources: tuple[str, ...] = ()
    user: AbstractBaseUser | None = None

    @property
    def is_known(self) -> bool:
        return bool(self.client_id) or self.user is not None

    @property
    def label(self) -> str:
        """Return what the log may say of the caller: clients by id, people by kind only."""
        if self.client_id:
            return self.key
        return "member" if self.user is not None else "anonymous"


_callers: dict[str, tuple[float, Caller]] = {}


def forget_tokens() -> None:
    """Empty this process's memory of tokens."""
    _callers.clear()


def identify(request: HttpRequest) -> Caller:
    """Return who calls; a cookie never counts.

    :raises NotAuthenticated: credentials were sent that are not valid.
    """
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is not None:
        return _client(header, request)
    session_token = request.META.get("HTTP_X_SESSION_TOKEN")
    if session_token is not None:
        return _member(session_token)
    return anonymous(request)


def anonymous(request: HttpRequest) -> Caller:
    """Return the caller without credentials, told apart by network address only."""
    return Caller(key=f"address:{request.META.get('REMOTE_ADDR', '')}")


def authorize(caller: Caller, access: tuple[str, ...]) -> None:
    """Let the caller pass if one word of ``access`` fits it.

    :raises NotAuthenticated: nobody is known and the operation is not public.
    :raises InsufficientScope: a client lacks every scope that would do.
    :raises MemberRequired: the operation is for members only.
    :raises Forbidden: the operation is for clients only.
    """
    if PUBLIC in access:
        return
    if not caller.is_known:
        raise NotAuthenticated
    scopes = [word for word in access if word != MEMBER]
    if caller.user is not None:
        if MEMBER not in access:
            raise Forbidden("This operation is for clients, not for a member's session.")
    elif not scopes:
        raise MemberRequired
    elif caller.scopes.isdisjoint(scopes):
        raise InsufficientScope(
            f"The token lacks the scope {' or '.join(scopes)}.", required_scope=scopes[0]
        )


def _client(header: str, request: HttpRequest) -> Caller:
    kind, _, token = header.partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("`Authorization` must be `Bearer <token>`.")
    caller = _caller_of(token.strip(), time.monotonic(), timezone.now())
    if caller.resources and not is_resources_subset(
        [request.build_absolute_uri(request.path)], list(caller.resources)
    ):
        raise Forbidden("The token was issued for another resource.")
    return caller


def _caller_of(token: str, monotonic: float, now: datetime) -> Caller:
    # The key is the digest under which the provider stores the token, so that
    # no token stands in the memory of the process longer than its request.
    digest = hashlib.sha256(token.encode()).hexdigest()
    known = _callers.get(digest)
    if known is not None and known[0] > monotonic:
        return known[1]
    caller, seconds_left = _look_up(digest, now)
    if len(_callers) >= CACHE_TOKENS_MAX:
        _callers.clear()
    _callers[digest] = (monotonic + min(CACHE_SECONDS, seconds_left), caller)
    return caller


def _look_up(digest: str, now: datetime) -> tuple[Caller, float]:
    token = (
        Token.objects.select_related("client")
        .filter(type=Token.Type.ACCESS_TOKEN, hash=digest, user=None)
        .first()
    )
    if token is None or token.client is None:
        _callers.pop(digest, None)
        raise NotAuthenticated("The access token is unknown or was revoked.")
    seconds_left = CACHE_SECONDS
    if token.expires_at is not None:
        seconds_left = (token.expires_at - now).total_seconds()
    if seconds_left <= 0:
        raise NotAuthenticated("The access token has expired.")
    # A scope taken from the client ends with the next look-up, not only when
    # the tokens that carry it have expired.
    granted = frozenset(token.get_scopes()) & frozenset(token.client.get_scopes())
    caller = Caller(
        key=f"client:{token.client.pk}",
        client_id=token.client.pk,
        scopes=granted & SCOPES.keys(),
        resources=tuple(token.get_resources()),
    )
    return caller, seconds_left


def _member(session_token: str) -> Caller:
    found: Any = None
    # Session keys are short ASCII; anything else would only reach the database
    # to be refused there, some of it (a NUL character) as an error.
    if session_token.isascii() and session_token.isalnum() and len(session_token) <= 64:
        found = authenticate_by_x_session_token(session_token)
    if not found or not found[0].is_active:
        raise NotAuthenticated("The session token is unknown or has ended.")
    user = found[0]
    return Caller(key=f"user:{user.pk}", user=user)


@lru_cache(maxsize=1)
def nobody() -> AnonymousUser:
    """Return the one user object of every request without a member."""
    return AnonymousUser()
