"""Every request is logged as one line that names nobody."""

from __future__ import annotations

import json
import logging

import pytest
from django.test import Client

from loyalty_site.lib.logging import JsonFormatter


@pytest.fixture
def request_lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="loyalty.request")
    return caplog


def only_line(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    (record,) = [record for record in caplog.records if record.name == "loyalty.request"]
    line: dict[str, object] = json.loads(JsonFormatter().format(record))
    return line


def test_a_request_is_one_line_with_route_caller_and_duration(
    request_lines: pytest.LogCaptureFixture,
) -> None:
    Client().get("/healthz?identifier=ana@example.com")

    line = only_line(request_lines)
    assert line["method"] == "GET"
    assert line["route"] == "healthz"
    assert line["client"] == "anonymous"
    assert line["status"] == 200
    assert line["code"] is None
    assert isinstance(line["milliseconds"], float)
    assert "ana@example.com" not in json.dumps(line)


@pytest.mark.django_db
def test_a_path_that_nobody_answers_is_not_repeated_in_the_log(
    request_lines: pytest.LogCaptureFixture,
) -> None:
    Client().get("/codes/SECRET-VOUCHER-77")

    assert only_line(request_lines)["route"] is None
    assert "SECRET-VOUCHER-77" not in "".join(
        JsonFormatter().format(record) for record in request_lines.records
    )


@pytest.mark.parametrize(
    ("_case", "sent", "is_kept"),
    [
        ("sane", "till-3.order_77", True),
        ("short", "a", False),
        ("long", "a" * 65, False),
        ("spaces", "a b c d e f", False),
        ("quotes", 'abcdefgh"', False),
    ],
)
def test_a_request_id_is_taken_over_when_it_is_sane(_case: str, sent: str, is_kept: bool) -> None:
    answer = Client().get("/healthz", headers={"X-Request-ID": sent})

    given = answer.headers["X-Request-ID"]
    assert (given == sent) is is_kept
    assert len(given) >= 8


def test_a_failure_is_logged_with_its_trace_and_without_its_path() -> None:
    record = logging.LogRecord(
        "django.request", logging.ERROR, "", 1, "%s: %s", ("Server Error", "/codes/ABC"), None
    )

    assert json.loads(JsonFormatter().format(record))["message"] == "Server Error"
