"""The site as an application: its commands, its health and its queue."""

from __future__ import annotations

from django.apps import AppConfig


class LoyaltySiteConfig(AppConfig):
    """The site's own application."""

    name = "loyalty_site"
    verbose_name = "Site"

    def ready(self) -> None:
        """Make the queue known, so that tasks sent from web processes find its broker."""
        from loyalty_site import celery  # noqa: F401 - importing it is what registers it
