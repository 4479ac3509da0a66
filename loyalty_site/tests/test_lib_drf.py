"""The base of every operation: checks in their order, and errors as problem documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request

from loyalty_site import views_problems
from loyalty_site.lib import auth, drf, etags, problems, reading, schema
from loyalty_site.lib.errors import DomainError
from loyalty_site.lib.ratelimit import buckets
from loyalty_site.lib.wire import dumps

TILL = auth.Caller(key="client:till", client_id="till", scopes=frozenset({"members:read"}))
POST = RequestFactory().post


class Note(reading.Body, frozen=True):
    """A body with one field."""

    text: reading.Text16


class Shortage(DomainError):
    """A refusal with figures."""

    code = "test_shortage"
    status = 409
    title = "Too few"


class NotesView(drf.ApiView):
    """An address with one operation of each kind."""

    @schema.operation("list_notes", "List notes", access=("members:read",), tag="notes")
    def get(self, request: Request) -> HttpResponse:
        """Answer a resource."""
        return self.resource({"caller": self.caller.client_id})

    @schema.operation("make_note", "Make a note", access=("members:write",), tag="notes")
    def post(self, request: Request) -> HttpResponse:
        """Answer what was read."""
        self.idempotency_key()
        return drf.answer({"text": reading.read(Note, self.json_body(100)).text}, status=201)


class PublicView(drf.ApiView):
    """An address that is open to anyone and does what its query asks for."""

    @schema.operation("act", "Act", access=(schema.PUBLIC,), tag="notes")
    def get(self, request: Request) -> HttpResponse:
        """Refuse or fail as told."""
        match request.GET.get("do"):
            case "refuse":
                raise Shortage("1 is missing.", available=1, required=2, status=418)
            case "fail":
                raise RuntimeError("secret")
            case _:
                return drf.answer({"text": "hello"})

    def put(self, request: Request) -> HttpResponse:
        """Stand for a method that nobody declared."""
        raise AssertionError


class MineView(drf.ApiView):
    """An address for members."""

    @schema.operation("mine", "Mine", access=(schema.MEMBER,), tag="notes")
    def get(self, request: Request) -> HttpResponse:
        """Answer nothing."""
        return drf.answer({})


urlpatterns = [
    path("api/v1/notes", NotesView.as_view()),
    path("api/v1/public", PublicView.as_view()),
    path("api/v1/mine", MineView.as_view()),
    path("problems/<str:code>", views_problems.problem, name="problem"),
    path("api/<path:path>", views_problems.api_not_found),
]
handler404 = views_problems.page_not_found


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve the addresses above, with one token that is known without a database."""
    known = {"till": TILL}

    def caller_of(token: str, *_clocks: Any) -> auth.Caller:
        if token not in known:
            raise problems.NotAuthenticated
        return known[token]

    monkeypatch.setattr(auth, "_caller_of", caller_of)
    buckets.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield
    buckets.clear()


def call(method: str, address: str, body: Any = None, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    content_type = headers.pop("content_type", "application/json")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    client = Client(raise_request_exception=False)
    response: Any = client.generic(method, address, raw, content_type, headers=sent)
    return response  # type: ignore[no-any-return]


def problem_of(response: HttpResponse) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = orjson.loads(response.content)
    assert body["status"] == response.status_code
    assert body["type"] == f"http://localhost:8000/problems/{body['code']}"
    return body


def test_a_caller_with_the_scope_is_answered_without_caching() -> None:
    response = call("GET", "/api/v1/notes", Authorization="Bearer till", Accept="text/html")

    assert (response.status_code, response.content) == (200, b'{"caller":"till"}')
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert response["RateLimit-Policy"] == '"default";q=6000;w=60'
    assert response["RateLimit"].startswith('"default";r=5999;t=')


def test_a_version_that_the_caller_has_is_not_sent_again() -> None:
    first = call("GET", "/api/v1/notes", Authorization="Bearer till")
    again = call("GET", "/api/v1/notes", Authorization="Bearer till", If_None_Match=first["ETag"])

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("_case", "headers"),
    [
        ("nothing", {}),
        ("an unknown token", {"Authorization": "Bearer other"}),
        ("another scheme", {"Authorization": "Basic dGlsbDo="}),
        ("no token", {"Authorization": "Bearer "}),
        ("empty", {"Authorization": ""}),
        ("a cookie", {"Cookie": "sessionid=abc"}),
        ("a session token with a nul", {"X_Session_Token": "a\x00b"}),
    ],
)
def test_without_valid_credentials_the_answer_is_401(_case: str, headers: dict[str, str]) -> None:
    response = call("GET", "/api/v1/notes", **headers)

    assert problem_of(response)["code"] == "not_authenticated"
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_without_the_scope_the_answer_is_403_whatever_else_is_wrong() -> None:
    response = call("POST", "/api/v1/notes", b"{", Authorization="Bearer till")

    body = problem_of(response)
    assert (body["status"], body["code"]) == (403, "insufficient_scope")
    assert body["required_scope"] == "members:write"


def test_a_client_is_no_member() -> None:
    body = problem_of(call("GET", "/api/v1/mine", Authorization="Bearer till"))

    assert (body["status"], body["code"]) == (403, "member_required")


def test_beyond_the_limit_the_answer_is_429_before_key_and_body() -> None:
    with override_settings(API_RATE_LIMIT_PER_MINUTE=1):
        first = call("GET", "/api/v1/notes", Authorization="Bearer till")
        second = call("GET", "/api/v1/notes", Authorization="Bearer till")

    assert first.status_code == 200
    assert problem_of(second)["code"] == "rate_limited"
    assert int(second["Retry-After"]) in {59, 60}
    assert second["RateLimit"].startswith('"default";r=0;')


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the token the scope to write."""
    caller = auth.Caller(key="client:w", client_id="w", scopes=frozenset({"members:write"}))
    monkeypatch.setattr(auth, "_caller_of", lambda *_: caller)


WRITE = {"Authorization": "Bearer w", "Idempotency_Key": "k" * 16}


@pytest.mark.usefixtures("writer")
@pytest.mark.parametrize(
    ("_case", "body", "headers", "status", "code"),
    [
        ("no key, before the body", b"{", {"Authorization": "Bearer w"}, 400,
         "idempotency_key_required"),
        ("a short key", b"{", {**WRITE, "Idempotency_Key": "k"}, 400, "idempotency_key_invalid"),
        ("no body", b"", WRITE, 400, "malformed"),
        ("no json", b"{", WRITE, 400, "malformed"),
        ("unknown field", {"text": "a", "more": 1}, WRITE, 400, "invalid"),
        ("too large", {"text": "a" * 100}, WRITE, 413, "body_too_large"),
        ("a form", b"text=a", {**WRITE, "content_type": "application/x-www-form-urlencoded"}, 415,
         "unsupported_media_type"),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(
    _case: str, body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    found = problem_of(call("POST", "/api/v1/notes", body, **headers))

    assert (found["status"], found["code"]) == (status, code)


@pytest.mark.usefixtures("writer")
def test_a_good_body_is_read() -> None:
    response = call("POST", "/api/v1/notes", {"text": "a"}, **WRITE)

    assert (response.status_code, response.content) == (201, b'{"text":"a"}')


@pytest.mark.usefixtures("writer")
def test_faults_name_their_fields() -> None:
    body = problem_of(call("POST", "/api/v1/notes", {"more": 1}, **WRITE))

    assert [(error["pointer"], error["code"]) for error in body["errors"]] == [
        ("/more", "unknown_field"),
        ("/text", "required"),
    ]


def test_a_refusal_carries_its_figures_but_never_overwrites_the_document() -> None:
    response = call("GET", "/api/v1/public?do=refuse", X_Request_ID="request-0001")

    assert problem_of(response) == {
        "type": "http://localhost:8000/problems/test_shortage",
        "title": "Too few",
        "status": 409,
        "detail": "1 is missing.",
        "code": "test_shortage",
        "request_id": "request-0001",
        "available": 1,
        "required": 2,
    }


def test_an_error_that_nobody_anticipated_tells_nothing() -> None:
    response = call("GET", "/api/v1/public?do=fail")

    assert problem_of(response)["code"] == "internal_error"
    assert b"secret" not in response.content


def test_what_is_open_to_anyone_ignores_an_expired_token() -> None:
    response = call("GET", "/api/v1/public", Authorization="Bearer expired")

    assert response.status_code == 200
    assert response.has_header("Cache-Control") is False


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST"])
def test_a_method_that_is_not_declared_is_405(method: str) -> None:
    response = call(method, "/api/v1/public")

    assert problem_of(response)["code"] == "method_not_allowed"
    assert response["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("address", ["/api/v1/nothing", "/api/", "/api/v1/notes/"])
def test_an_unknown_address_of_the_api_is_a_problem_document(address: str) -> None:
    assert problem_of(call("POST", address, b"{"))["code"] == "not_found"


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("_case", "error", "status", "code"),
    [
        ("no row", Http404(), 404, "not_found"),
        ("no permission", PermissionDenied(), 403, "forbidden"),
        ("suspicious", SuspiciousOperation(), 400, "bad_request"),
        ("no credentials", exceptions.NotAuthenticated(), 401, "not_authenticated"),
        ("other media type", exceptions.UnsupportedMediaType("text/plain"), 415,
         "unsupported_media_type"),
        ("no such form", exceptions.NotAcceptable(), 406, "not_acceptable"),
        ("throttled", exceptions.Throttled(wait=2), 429, "rate_limited"),
        ("unreadable", exceptions.ParseError(), 400, "malformed"),
        ("timed out", caused(OperationalError(), psycopg.errors.QueryCanceled()), 503,
         "unavailable"),
        ("locked", caused(OperationalError(), psycopg.errors.LockNotAvailable()), 503,
         "unavailable"),
        ("cut off", InterfaceError(), 503, "unavailable"),
        ("does not fit", DataError(), 400, "invalid"),
        ("unforeseen", ValueError("secret"), 500, "internal_error"),
    ],
)  # fmt: skip
def test_every_exception_becomes_a_problem(
    _case: str, error: Exception, status: int, code: str
) -> None:
    request = HttpRequest()
    response = drf.problem_response(error, {"request": request})

    body = problem_of(response)
    assert (body["status"], body["code"]) == (status, code)
    assert "secret" not in json.dumps(body)
    assert response.has_header("Retry-After") is (status in {429, 503})


def test_errors_outside_every_operation_are_problems_below_the_api_only() -> None:
    inside, outside = HttpRequest(), HttpRequest()
    inside.path, outside.path = "/api/v1/x", "/x"
    error = SuspiciousOperation()

    assert problem_of(views_problems.bad_request(inside, error))["code"] == "bad_request"
    assert problem_of(views_problems.permission_denied(inside, error))["code"] == "forbidden"
    assert problem_of(views_problems.page_not_found(inside, error))["code"] == "not_found"
    assert problem_of(views_problems.server_error(inside))["code"] == "internal_error"
    assert views_problems.server_error(outside)["Content-Type"].startswith("text/html")


def test_the_body_of_a_request_keeps_its_fingerprint() -> None:
    view = NotesView()
    view.request = Request(POST("/api/v1/notes", b"{}", content_type="application/json"))

    assert len(view.fingerprint()) == 32


def test_a_stale_version_is_not_changed() -> None:
    view = NotesView()
    data = {"text": "a"}
    etag = etags.etag_of(dumps(data))

    for header, is_met in ((etag, True), ('"older"', False)):
        view.request = Request(POST("/api/v1/notes", headers={"If-Match": header}))
        if is_met:
            view.require_match(data)
        else:
            with pytest.raises(problems.PreconditionFailed):
                view.require_match(data)
