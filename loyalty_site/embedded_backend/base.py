"""The backend's entry point; the module's name is the one that Django looks for."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from loyalty_site.checked_backend import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that makes sure of its server before it is opened."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Start the embedded server unless it runs, then connect."""
        settings.EMBEDDED_POSTGRES.ensure()
        return super().get_new_connection(conn_params)
