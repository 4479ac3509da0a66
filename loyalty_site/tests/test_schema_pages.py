"""The OpenAPI document as it is answered, and the pages that show it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client, override_settings
from django.urls import path

from loyalty_site import views_schema
from loyalty_site.lib.ratelimit import buckets

urlpatterns = [
    path("api/v1/schema", views_schema.SchemaView.as_view(), name="schema"),
    path("api/v1/docs", views_schema.docs, name="docs"),
]


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    """Serve the two addresses above and nothing else."""
    views_schema.site_document.cache_clear()
    buckets.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield
    views_schema.site_document.cache_clear()


def test_the_document_is_open_to_anyone_and_has_a_version() -> None:
    first = Client().get("/api/v1/schema")
    again = Client().get("/api/v1/schema", headers={"If-None-Match": first["ETag"]})

    assert first.json()["openapi"] == "3.1.0"
    assert list(first.json()["paths"]) == ["/api/v1/schema"]
    assert again.status_code == 304


def test_the_docs_load_their_script_from_this_site() -> None:
    page = Client().get("/api/v1/docs")
    script = Client().get("/api/v1/docs?script=")

    assert page.status_code == 200
    assert b"//cdn" not in page.content
    assert b"/api/v1/schema" in script.content


def test_the_docs_exist_as_a_page_only() -> None:
    response = Client().get("/api/v1/docs", headers={"Accept": "application/json"})

    assert response.status_code == 406
    assert response.json()["code"] == "not_acceptable"
