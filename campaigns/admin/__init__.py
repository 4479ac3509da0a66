"""Rules, what they gave and why, in the admin."""

from campaigns.admin import codes, rules  # noqa: F401 - importing them registers their pages
