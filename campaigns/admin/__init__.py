"""Rules, what they gave and why, in the admin."""

from campaigns.admin import (  # noqa: F401 - importing them registers their pages
    backtests,
    claims,
    codes,
    rules,
    surveys,
)
