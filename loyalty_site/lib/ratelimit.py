"""Limits on how often a caller may ask: approximate per process, exact where it must be."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from django.core.cache import cache
from redis.exceptions import RedisError

from loyalty_site.lib.problems import RateLimited, Unavailable

WINDOW_SECONDS = 60

# Callers remembered at a time. The one that was silent longest is forgotten
# first; its bucket has filled up again by then.
CALLERS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A bucket after one request: what it holds, what is left, and when it is full."""

    limit: int
    remaining: int
    reset_seconds: int
    is_allowed: bool

    @property
    def headers(self) -> dict[str, str]:
        """Return the structured fields of the IETF draft on rate limit headers."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_seconds}',
        }


class TokenBuckets:
    """One token bucket per caller, in the memory of this process.

    With several processes a caller gets up to that many times the limit, which
    is why the limit is stated as approximate; it costs no round trip.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, key: str, *, limit: int, now: float) -> Reading:
        """Take one token of the caller's; ``now`` is a monotonic clock in seconds."""
        rate = limit / WINDOW_SECONDS
        with self._lock:
            tokens, seen = self._buckets.pop(key, (float(limit), now))
            tokens = min(float(limit), tokens + (now - seen) * rate)
            is_allowed = tokens >= 1
            tokens -= is_allowed
            self._buckets[key] = (tokens, now)
            if len(self._buckets) > CALLERS_MAX:
                self._buckets.popitem(last=False)
        # A refused caller wants to know when one token is there, not when all are.
        missing = limit - tokens if is_allowed else 1 - tokens
        return Reading(limit, int(tokens), math.ceil(missing / rate), is_allowed)

    def clear(self) -> None:
        """Forget every caller."""
        with self._lock:
            self._buckets.clear()


buckets = TokenBuckets()


def take_shared(name: str, caller: str, *, limit: int, now: float) -> None:
    """Count one request against a limit per minute that all processes share.

    ``now`` is seconds since the epoch. The minute is fixed, so that one atomic
    increment decides.

    :raises RateLimited: the minute's requests are used up.
    :raises Unavailable: the shared store does not answer.
    """
    minute, second = divmod(int(now), WINDOW_SECONDS)
    key = f"limit:{name}:{caller}:{minute}"
    try:
        cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
        used = cache.incr(key)
    except ValueError:
        # The store dropped the key between the two calls; nobody else counted either.
        used = 1
    except (RedisError, OSError) as error:
        raise Unavailable(retry_after=1) from error
    if used > limit:
        raise RateLimited(limit=limit, retry_after=WINDOW_SECONDS - second)
