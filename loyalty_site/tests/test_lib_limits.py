"""Limits, entity tags, idempotency keys and repeating."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import RequestFactory

from loyalty_site.lib import etags, idempotency, ratelimit, retries
from loyalty_site.lib.problems import PreconditionFailed, RateLimited, Unavailable

GET = RequestFactory().get


def test_a_bucket_empties_and_fills_again() -> None:
    buckets = ratelimit.TokenBuckets()

    first = buckets.take("till", limit=2, now=0.0)
    second = buckets.take("till", limit=2, now=0.0)
    refused = buckets.take("till", limit=2, now=0.0)
    later = buckets.take("till", limit=2, now=30.0)

    assert (first.is_allowed, first.remaining) == (True, 1)
    assert (second.is_allowed, second.remaining, second.reset_seconds) == (True, 0, 60)
    assert (refused.is_allowed, refused.reset_seconds) == (False, 30)
    assert later.is_allowed is True


def test_callers_have_buckets_of_their_own() -> None:
    buckets = ratelimit.TokenBuckets()

    buckets.take("till", limit=1, now=0.0)

    assert buckets.take("till", limit=1, now=0.0).is_allowed is False
    assert buckets.take("shop", limit=1, now=0.0).is_allowed is True


def test_the_headers_are_structured_fields() -> None:
    reading = ratelimit.TokenBuckets().take("till", limit=60, now=0.0)

    assert reading.headers == {
        "RateLimit-Policy": '"default";q=60;w=60',
        "RateLimit": '"default";r=59;t=1',
    }


def test_the_shared_limit_counts_each_minute_for_itself() -> None:
    cache.clear()
    for _ in range(3):
        ratelimit.take_shared("vouchers", "till", limit=3, now=65.0)

    with pytest.raises(RateLimited) as caught:
        ratelimit.take_shared("vouchers", "till", limit=3, now=100.0)

    assert caught.value.figures["retry_after"] == 20
    ratelimit.take_shared("vouchers", "shop", limit=3, now=100.0)
    ratelimit.take_shared("vouchers", "till", limit=3, now=120.0)


def test_equal_content_has_an_equal_strong_tag() -> None:
    assert etags.etag_of(b"a") == etags.etag_of(b"a")
    assert etags.etag_of(b"a") != etags.etag_of(b"b")
    assert etags.etag_of(b"a").startswith('"')


@pytest.mark.parametrize(
    ("_case", "header", "is_fresh"),
    [
        ("the tag", '"x"', True),
        ("weakened on the way", 'W/"x"', True),
        ("among others", '"y", "x"', True),
        ("any", "*", True),
        ("another", '"y"', False),
        ("empty", "", False),
    ],
)
def test_if_none_match_compares_weakly(_case: str, header: str, is_fresh: bool) -> None:
    assert etags.is_fresh(GET("/", headers={"If-None-Match": header}), '"x"') is is_fresh


def test_if_match_compares_strongly_and_may_be_missing() -> None:
    etags.require_match(GET("/"), '"x"')
    etags.require_match(GET("/", headers={"If-Match": '"y", "x"'}), '"x"')
    etags.require_match(GET("/", headers={"If-Match": "*"}), '"x"')

    for header in ('"y"', 'W/"x"', ""):
        with pytest.raises(PreconditionFailed):
            etags.require_match(GET("/", headers={"If-Match": header}), '"x"')


@pytest.mark.parametrize("key", ["k" * 16, "k" * 255, "5f1c2c9e-0d1f-4f5c-8d5e-3f1f8f0f4a11"])
def test_a_key_of_16_to_255_characters_is_taken(key: str) -> None:
    assert idempotency.key_of(GET("/", headers={"Idempotency-Key": key})) == key


@pytest.mark.parametrize("key", ["", "k" * 15, "k" * 256, "ключключключключ", "k" * 16 + "\x01"])
def test_another_key_is_invalid(key: str) -> None:
    with pytest.raises(idempotency.IdempotencyKeyInvalid):
        idempotency.key_of(GET("/", headers={"Idempotency-Key": key}))


def test_a_missing_key_is_asked_for() -> None:
    with pytest.raises(idempotency.IdempotencyKeyRequired):
        idempotency.key_of(GET("/"))


def test_the_fingerprint_tells_method_address_query_and_body_apart() -> None:
    post, put = RequestFactory().post, RequestFactory().put
    prints = [
        idempotency.fingerprint(post("/a"), b"x"),
        idempotency.fingerprint(put("/a"), b"x"),
        idempotency.fingerprint(post("/b"), b"x"),
        idempotency.fingerprint(post("/a?dry_run=false"), b"x"),
        idempotency.fingerprint(post("/a"), b"y"),
        idempotency.fingerprint(post("/ax"), b""),
    ]

    assert len(set(prints)) == len(prints)
    assert idempotency.fingerprint(post("/a"), b"x") == prints[0]


class Refusing:
    """An act that PostgreSQL gives up a number of times."""

    def __init__(self, times: int, sqlstate: str) -> None:
        self.times = times
        self.sqlstate = sqlstate
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls > self.times:
            return "done"
        cause = Exception()
        cause.sqlstate = self.sqlstate  # type: ignore[attr-defined]
        raise OperationalError from cause


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pauses take no time."""
    monkeypatch.setattr("loyalty_site.lib.retries.time.sleep", lambda _seconds: None)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "55P03"])
def test_what_may_pass_is_repeated_four_times(sqlstate: str) -> None:
    assert retries.retrying(Refusing(4, sqlstate)) == "done"

    stubborn = Refusing(99, sqlstate)
    with pytest.raises(Unavailable) as caught:
        retries.retrying(stubborn)

    assert stubborn.calls == 5
    assert caught.value.figures["retry_after"] == 1


@pytest.mark.usefixtures("quick")
def test_what_will_not_pass_is_not_repeated() -> None:
    act = Refusing(1, "57014")

    with pytest.raises(OperationalError):
        retries.retrying(act)

    assert act.calls == 1


def test_repeating_ends_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 0.99])
    monkeypatch.setattr("loyalty_site.lib.retries.time.monotonic", lambda: next(moments))
    act: Any = Refusing(9, "40001")

    with pytest.raises(Unavailable):
        retries.retrying(act)

    assert act.calls == 1
