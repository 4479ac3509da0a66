"""The queue: tasks are doorbells, the rows that they point at are the record."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")


class LoyaltyCelery(Celery):
    """Celery, making sure of the embedded broker before it connects."""

    def connection_for_read(self, url: str | None = None, **kwargs: Any) -> Any:
        """Connect for consuming."""
        _ensure_broker()
        return super().connection_for_read(url, **kwargs)

    def connection_for_write(self, url: str | None = None, **kwargs: Any) -> Any:
        """Connect for sending."""
        _ensure_broker()
        return super().connection_for_write(url, **kwargs)


def _ensure_broker() -> None:
    from django.conf import settings

    if settings.EMBEDDED_VALKEY:
        settings.EMBEDDED_VALKEY.ensure()


app = LoyaltyCelery("loyalty")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _use_site_logging(**_kwargs: Any) -> None:
    """Keep Celery from replacing the site's log format; Django has configured it already."""
