"""Operations of the API are answered without what only pages need, and lose nothing by it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

pytestmark = pytest.mark.django_db

# What every answer carries, whichever way it went.
ALWAYS = {
    "Content-Length",
    "Content-Security-Policy",
    "Cross-Origin-Opener-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-Request-ID",
    "Content-Language",
    "Vary",
}


@pytest.mark.parametrize("path", ["/api/v1/schema", "/api/v1/program", "/api/v1/none", "/healthz"])
def test_every_answer_carries_the_same_headers(path: str) -> None:
    answer = Client().get(path)

    assert set(answer.headers) >= ALWAYS
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Content-Length"] == str(len(answer.content))
    assert "Accept-Language" in answer["Vary"]


def test_an_operation_has_no_session_and_a_page_has() -> None:
    operation = Client().get("/api/v1/schema").wsgi_request
    page = Client().get("/how-it-works").wsgi_request

    assert not hasattr(operation, "session")
    assert hasattr(page, "session")


def test_the_page_of_the_api_goes_the_way_of_pages() -> None:
    answer = Client().get("/api/v1/docs")

    assert answer.status_code == 200
    assert hasattr(answer.wsgi_request, "session")


@pytest.mark.parametrize("path", ["/api/v1/schema", "/how-it-works"])
def test_an_unknown_host_is_refused_on_both_ways(path: str) -> None:
    answer = Client().get(path, headers={"Host": "elsewhere.example"})

    assert answer.status_code == 400


def test_an_operation_speaks_the_language_of_its_request_and_not_of_the_last_one(
    settings: Any,
) -> None:
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    with translation.override("de"):
        plain = Client().get("/api/v1/schema")
        asked = Client().get("/api/v1/schema", headers={"Accept-Language": "de"})

    assert plain["Content-Language"] == "en"
    assert asked["Content-Language"] == "de"


def test_a_cookie_never_opens_an_operation(django_user_model: Any) -> None:
    user = django_user_model.objects.create_user("staff@example.com", None)
    browser = Client()
    browser.force_login(user)

    assert browser.get("/api/v1/me").status_code == 401
