"""Rules, what they gave and why, in the admin."""

from campaigns.admin import backtests, codes, rules  # noqa: F401 - importing them registers their pages
