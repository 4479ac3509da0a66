"""Rules, what they gave and why, in the admin."""

from campaigns.admin import rules  # noqa: F401 - importing it registers its pages
