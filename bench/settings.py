"""The site's settings with one more address: an empty view to compare with."""

from loyalty_site.settings import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
# The limit would stop the load; the counting itself stays in the way.
API_RATE_LIMIT_PER_MINUTE = 100_000_000
LOG_LEVEL = "WARNING"
