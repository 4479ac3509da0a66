"""Django's Redis cache, starting the embedded server when it is first wanted."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.functional import cached_property


class EmbeddedCache(RedisCache):
    """The shared cache of one machine."""

    @cached_property
    def _cache(self) -> RedisCacheClient:
        settings.EMBEDDED_VALKEY.ensure()
        client: Any = self._class(self._servers, **self._options)
        return client
