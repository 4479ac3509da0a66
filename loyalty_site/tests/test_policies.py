"""The Content-Security-Policy of each kind of page."""

from __future__ import annotations

import pytest
from django.test import Client


def directives(path: str) -> dict[str, str]:
    header = Client().get(path).headers["Content-Security-Policy"]
    pairs = (part.strip().partition(" ") for part in header.split(";"))
    return {name: values for name, _space, values in pairs}


@pytest.mark.parametrize("path", ["/healthz", "/no-such-page", "/accounts-elsewhere"])
@pytest.mark.django_db
def test_members_pages_load_nothing_but_the_sites_own(path: str) -> None:
    assert directives(path) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "worker-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


@pytest.mark.django_db
def test_the_admin_may_do_what_its_theme_needs_and_no_more() -> None:
    found = directives("/admin/")

    assert found["script-src"] == "'self' 'unsafe-eval'"
    assert found["style-src"] == "'self' 'unsafe-inline'"
    assert found["img-src"] == "'self' data:"
    assert found["default-src"] == "'none'"
