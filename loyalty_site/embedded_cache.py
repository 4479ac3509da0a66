"""Django's Redis cache, starting the embedded server when it is first wanted."""

from __future__ import annotations

from django.conf import settings
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.functional import cached_property


class EmbeddedCache(RedisCache):
    """The shared cache of one machine."""

    @cached_property
    def _cache(self) -> RedisCacheClient:
        if settings.EMBEDDED_VALKEY:
            settings.EMBEDDED_VALKEY.ensure()
        return super()._cache
