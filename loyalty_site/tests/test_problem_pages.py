"""The pages that a problem's type leads to."""

from __future__ import annotations

import pytest
from django.http import Http404
from django.template.loader import get_template
from django.test import RequestFactory

from loyalty_site import views_problems
from loyalty_site.lib.errors import REFUSALS


def test_every_refusal_says_why_and_what_to_do() -> None:
    for code, refusal in REFUSALS.items():
        assert code == code.lower().replace("-", "_")
        assert 400 <= refusal.status <= 599
        for sentence in (refusal.title, refusal.cause, refusal.remedy):
            assert sentence


def test_an_unknown_code_has_no_page() -> None:
    with pytest.raises(Http404):
        views_problems.problem(RequestFactory().get("/problems/nothing"), "nothing")


def test_the_page_has_a_template() -> None:
    get_template("problems/problem_detail.html")
